package projections_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"asem/domain"
	"asem/events"
	"asem/events/sqlite"
	"asem/projections"
)

// A score is recorded and then corrected. Both stay readable, each as of its position.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "asem")
	check(err)
	defer func() { check(os.RemoveAll(dir)) }()
	stored, err := sqlite.Open(ctx, filepath.Join(dir, "log.db"))
	check(err)
	defer func() { check(stored.Close()) }()

	enrolled := domain.NewDate(2026, time.January, 5)
	noon := enrolled.At(12, time.UTC)
	wives, husbands := domain.RoleA, domain.RoleB
	var orders []domain.Order
	for _, c := range []domain.Command{
		domain.CreateStudy{Study: "S", Title: "A study", Zone: "Europe/Berlin"},
		domain.PublishProtocol{Study: "S", Protocol: domain.Protocol{
			Version: 1, TimeUnitMonths: 1, AfterSeparation: domain.ContinueAfterSeparation,
			Roles:      []domain.RoleLabel{{Role: wives, Label: "wife"}, {Role: husbands, Label: "husband"}},
			Waves:      []domain.Wave{{Index: 1, Label: "T1", Month: 0}, {Index: 2, Label: "T2", Month: 8}},
			Constructs: []domain.Construct{{Code: "avoidance"}},
		}},
		domain.EnrolCouple{Study: "S", Couple: "1", EnrolledOn: enrolled, Participants: []domain.NewParticipant{{Role: wives, Code: "1w"}, {Role: husbands, Code: "1h"}}},
		domain.GiveConsent{Study: "S", Couple: "1", Role: wives, Scope: domain.ScopeQuestionnaires, Version: "1"},
		domain.RecordScore{Study: "S", Couple: "1", Role: wives, Wave: 1, Construct: "avoidance", Value: 3.5, MeasuredAt: noon},
		domain.RecordScore{Study: "S", Couple: "1", Role: wives, Wave: 2, Construct: "avoidance", Value: 2.25, MeasuredAt: noon},
		domain.CorrectScore{Study: "S", Couple: "1", Role: wives, Wave: 1, Construct: "avoidance", Value: 3.75, Reason: "misread"},
	} {
		orders = append(orders, domain.Order{At: noon, By: domain.Actor{Role: domain.ActorResearcher, Subject: "r1"}, Command: c})
	}
	receipt, err := events.NewExecutor(stored).ExecuteAll(ctx, uuid.New(), orders)
	check(err)

	read, err := projections.OpenSQLite(ctx, filepath.Join(dir, "read.db"))
	check(err)
	defer func() { check(read.Close()) }()
	check(projections.CatchUp(ctx, stored, projections.All(read), nil))

	for _, position := range []events.Position{events.Position(receipt.Position) - 1, events.Position(receipt.Position)} {
		view, err := read.View(ctx, projections.AsOf{Position: position})
		check(err)
		data, err := view.WaveFrame(ctx, "S")
		check(err)
		fmt.Println("as of", view.Position())
		check(data.Frame.WriteCSV(os.Stdout))
	}
	// Output:
	// as of 8
	// couple,person,role,wave,months,time,avoidance
	// 1,1w,wife,1,0,0,3.5
	// 1,1w,wife,2,8,8,2.25
	// as of 9
	// couple,person,role,wave,months,time,avoidance
	// 1,1w,wife,1,0,0,3.75
	// 1,1w,wife,2,8,8,2.25
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
