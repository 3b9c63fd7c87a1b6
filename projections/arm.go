package projections

import (
	"context"

	"asem/domain"
	"asem/events"
)

const armSchema = `
CREATE TABLE IF NOT EXISTS {arm} (
	key           BYTEA NOT NULL, -- of the couple, or of the person where persons were randomised
	study         TEXT NOT NULL,
	couple        TEXT NOT NULL,
	role          TEXT NOT NULL, -- empty: the couple
	arm           TEXT NOT NULL,
	stratum       TEXT NOT NULL,
	number        BIGINT NOT NULL, -- in the order of its stratum; 0: drawn elsewhere
	from_position BIGINT NOT NULL,
	PRIMARY KEY (key)
)`

func arms() definition {
	return project("arm", 1, armSchema,
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ArmAssigned) error {
			couple, err := coupleOf(at)
			if err != nil {
				return err
			}
			k := coupleKey(at.Study, couple)
			if e.Role != "" {
				k = personKey(at.Study, couple, e.Role)
			}
			return tx.Insert(ctx, insertArm, []byte(k), at.Study, couple, string(e.Role), e.Arm, e.Stratum, e.Number, int64(at.Position))
		}),
		on(func(ctx context.Context, tx *Tx, at events.Envelope, e domain.ParticipantErased) error {
			return tx.erase(ctx, at, e, "key", []string{"arm"}, "key", []string{"arm"})
		}),
	)
}

var insertArm = insertInto("arm", "key, study, couple, role, arm, stratum, number, from_position")

// Assignment is the arm to which chance put a couple or a person.
type Assignment struct {
	PersonID        // with an empty role: the couple
	Arm      string //
	Stratum  string // code of the site within which it was drawn
	Number   int    // in the order of its stratum, from 1; 0: drawn elsewhere
	Position events.Position
}

// Assignments lists who was randomised in a study, by stratum and number: what an audit holds against [domain.Study.Draw]. It is for whoever may know the arms.
func (v View) Assignments(ctx context.Context, study string) ([]Assignment, error) {
	var list []Assignment
	err := v.readAssignments(ctx, studyKey(study), func(a Assignment) { list = append(list, a) })
	return list, err
}

func (v View) readAssignments(ctx context.Context, within key, take func(Assignment)) error {
	return v.read(ctx, "the arms", `SELECT study, couple, role, arm, stratum, number, from_position FROM {arm} WHERE from_position <= $1 AND key >= $2 AND key < $3 ORDER BY stratum, number, key`,
		[]any{[]byte(within), []byte(within.end())}, func(scan scanner) error {
			var a Assignment
			err := scan(&a.Study, &a.Couple, &a.Role, &a.Arm, &a.Stratum, &a.Number, &a.Position)
			take(a)
			return err
		})
}
