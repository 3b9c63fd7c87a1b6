package projections

import "asem/events"

// Position is a place in the log, for packages that read through this one and know nothing of the log.
type Position = events.Position
