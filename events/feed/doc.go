// Package feed hands the event log to those who follow it, through Watermill.
//
//   - [Subscriber]: the log as a Watermill subscriber that tails it by position
//   - [Consumer] and [Router]: projections as handlers, each with its own checkpoint, that stop and go on by themselves
//   - [Publisher]: Watermill messages as events of the log
//   - [Outward]: a consumer that publishes the log to another system, such as NATS JetStream ([ConnectNATS])
//
// The subscriber passes Watermill's own suite (pubsub/tests) on both backends with these features. On: Persistent,
// GuaranteedOrder and NewSubscriberReceivesOldMessages, for a log keeps everything in one order. Off: ConsumerGroups, for a
// follower owns its checkpoint instead of sharing work with others; ExactlyOnceDelivery, for a message is delivered again until it is
// acknowledged, and being applied once is the consumer's transaction's doing; ContextPreserved, for a log outlives
// contexts; RequireSingleInstance, for any number of handles may follow one log.
package feed
