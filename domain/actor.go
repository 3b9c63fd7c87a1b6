package domain

// ActorRole is the capacity in which somebody acts.
type ActorRole string

// The capacities. System is the program itself: a scheduler, an importer.
const (
	ActorSystem      ActorRole = "system"
	ActorParticipant ActorRole = "participant"
	ActorCoder       ActorRole = "coder"
	ActorResearcher  ActorRole = "researcher"
	ActorCoordinator ActorRole = "coordinator"
	ActorClinician   ActorRole = "clinician"
)

// Actor is who caused an event: a capacity and a pseudonymous subject, such as a participant's
// code or a coder's code. It never holds a name or an address.
type Actor struct {
	Role    ActorRole `json:"role"`
	Subject string    `json:"subject"`
}
