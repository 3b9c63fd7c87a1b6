// Package desk decides what happens at the coders' side: who is to rate what, who may, and how far judges agree.
//
//   - [PlanStudy]: assignments of clips for the study, with probes mixed in
//   - [Train]: gold clips for a judge who is to be certified; [Due]: what holding a judge against criterion scores leads to
//   - [Agreement] and [Drift]: how far judges agree, from what they have submitted up to now
//
// It computes from what [projections.Desk] knows and returns commands; it stores and shows nothing.
package desk
