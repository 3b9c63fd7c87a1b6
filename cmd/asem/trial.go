package main

import (
	"context"
	"fmt"
	"time"

	"asem/cmd/asem/internal/access"
	"asem/cmd/asem/internal/studyfile"
	"asem/domain"
	"asem/projections"
)

// trialStudy is the study of the demo in which a visitor answers as either partner of a couple.
const trialStudy = "TRY"

// demoCouple makes the study to try and a couple that takes part from today on, and returns how to sign in as each partner. A start
// on another day makes another couple, so that there is always something to answer.
func (h *house) demoCouple(ctx context.Context, now time.Time) (func(base string) []string, error) {
	p, err := readPlan("quick", studyfile.Context{Code: trialStudy})
	if err != nil {
		return nil, err
	}
	if view, err := h.read.View(ctx, projections.AsOf{}); err != nil {
		return nil, err
	} else if _, err := view.Study(ctx, trialStudy); domain.CodeOf(err) == domain.NotFound && err != nil {
		orders, err := planOrders(p, 1, domain.CreateStudy{Study: p.Code, Title: p.Title, Zone: p.Zone})
		if err == nil {
			_, err = h.publish(ctx, p, orders, false)
		}
		if err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(p.Zone)
	if err != nil {
		return nil, fmt.Errorf("the zone of the plan: %w", err)
	}
	y, m, d := now.In(zone).Date()
	on := domain.NewDate(y, m, d)
	enrol := domain.EnrolCouple{Study: trialStudy, Couple: on.String(), EnrolledOn: on}
	for _, r := range p.Protocol.Roles {
		enrol.Participants = append(enrol.Participants, domain.NewParticipant{Role: r.Role, Code: on.String() + "-" + string(r.Role)})
	}
	if err := h.order(ctx, enrol); err != nil {
		return nil, err
	}
	var credentials []access.Credential
	for _, r := range p.Protocol.Roles {
		c, err := h.access.IssueCode(ctx, access.Participant{Study: trialStudy, Couple: enrol.Couple, Role: r.Role})
		if err != nil {
			return nil, err
		}
		credentials = append(credentials, c)
	}
	return func(base string) (lines []string) {
		for i, c := range credentials {
			lines = append(lines, fmt.Sprintf("Answer as one partner: %s/in with code %s and PIN %s", base, c.Code, c.PIN))
			if i > 0 {
				lines[i] = fmt.Sprintf("Answer as the other:   %s/in with code %s and PIN %s", base, c.Code, c.PIN)
			}
		}
		return lines
	}, nil
}
