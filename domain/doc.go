// Package domain is the language of a longitudinal couples study: the study and
// its protocol, instruments and their scoring, couples with two roles, consent,
// waves, diary days, interactions, clips and judges' ratings.
//
// Read it in this order:
//
//   - [Study], [Protocol] and [Wave]: what was planned, as versioned data
//   - [Instrument], [Answer] and [Score]: what is asked and how it is scored
//   - [Couple] and [Participant]: the aggregate that every observation belongs to
//   - [Event] and [EventTypes]: the facts, declared beside the decisions that emit them
//   - [Command] and [Decide]: what may be asked of the past, and what then happens
//
// Deciding is pure. There is no clock, no identifier, no storage and no random
// number in this package: times and ids come in as values, events go out.
// What the package does not do: it does not persist (package events), it does
// not query (package projections), and it fits no model (package analysis).
package domain
