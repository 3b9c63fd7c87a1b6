// Package studyfile reads the plan of a study as a lab writes it in YAML, and writes a plan back.
//
// [Read] turns a file into a [Plan]: the study, its instruments and its protocol, with everything that is wrong told at once, each at its line and
// column, whether the text, the plan or the domain finds it. [Plan.Print] is the way back: what it prints reads as the same plan. [Templates] are ready plans to
// start from; their comments explain every key.
//
// A file is shorter than the protocol that it stands for:
//
//	at: 12 months +/- 21 days                the day of a wave and its window
//	starts: 1 day after session 3            the first day of a diary
//	open: 17:00..03:00 next day              the hours of a diary day
//	repeat: {times: 3, everyMonths: 4}       a diary that comes again: diary-1, diary-2, diary-3
//	instruments: [asem-demo@1, ecr-rs.yaml]  a key that ships, and a file of the lab beside this one
//
// The version of a protocol is not written: publishing counts it.
package studyfile
