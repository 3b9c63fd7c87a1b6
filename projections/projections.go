package projections

// definitions lists every read model, in the order in which their events begin.
func definitions() []definition {
	return []definition{
		moments(),
		studies(),
		couples(),
		trajectories(),
		ratings(),
		arms(),
		diaries(),
		compliances(),
		prompts(),
	}
}

// auditOnly lists the events that no read model shows: they stand in the log for whoever asks what happened, and for [Board] and [Desk].
var auditOnly = []string{
	"contact.changed", "language.chosen", "pairing.confirmed", "place.taken", "randomisation.seeded",
	"note.written", "risk.raised", "note.read", "risk.handled", "change.noted", "separation.reported",
	"video.stored", "video.key_shared", "video.deleted", "judge.enlisted", "judge.acquainted", "judge.on_leave", "judge.assessed", "judge.suspended", "judge.retired", "coding.seeded",
	"criterion.set", "assignment.claimed",
}
