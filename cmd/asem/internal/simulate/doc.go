// Package simulate makes synthetic studies with known effects, as the commands that a real study would
// have given: enrolment, consent, waves, a diary burst, coded interactions, separations, withdrawals and
// missed waves. [Study] is the plan; its methods return orders for an executor.
//
// What it makes is for trying asem out and for checking that models recover what was put in. A
// simulated study says so in its title and in the events.
package simulate
