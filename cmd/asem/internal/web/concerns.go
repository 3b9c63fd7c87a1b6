package web

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"asem/cmd/asem/internal/access"
	"asem/domain"
)

// concernRow is a note or an answer that tells of danger, without what it says.
type concernRow struct {
	Key     string // stands for it in forms
	Couple  string
	Label   string // of the role
	About   string // occasion
	What    string
	Risk    bool
	Handled bool
}

type concernsBody struct {
	studyPage
	Waiting []concernRow // answers that nobody has taken care of
	Rest    []concernRow
}

// concern is one line, with where it comes from.
type concern struct {
	concernRow
	couple string
	domain.Concern
}

// allConcerns lists what clinicians of a study should look at, what tells of danger first.
func (s *server) allConcerns(r *http.Request, study string) ([]concern, error) {
	list, protocol, err := s.Board.Couples(r.Context(), study)
	if err != nil {
		return nil, err
	}
	labels := map[domain.Role]string{}
	for _, l := range protocol.Roles {
		labels[l.Role] = l.Label
	}
	var all []concern
	for _, c := range list {
		for _, k := range c.Concerns {
			row := concernRow{Couple: c.Code, Label: labels[k.Role], About: titleOf(protocol, k.Occasion), What: "note", Risk: k.Prompt == "", Handled: k.Handled}
			if row.Risk {
				row.What = "answer to " + k.Instrument + " " + k.Item
			}
			row.Key = lowerBase32.EncodeToString(s.Access.Keyed("concern in a form", study, c.Code, string(k.Role), strconv.Itoa(k.Occasion.Wave), k.Occasion.Burst, k.Occasion.Day.String(), k.Prompt, k.Instrument, k.Item)[:15])
			all = append(all, concern{row, c.Code, k})
		}
	}
	return all, nil
}

// concerns lists what clinicians should look at. What it says is shown one by one, each time on record.
func (s *server) concerns(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	all, err := s.allConcerns(r, study)
	if err != nil {
		s.failed(w, err)
		return
	}
	b := concernsBody{studyPage: s.ofStudyPage(r, u, study)}
	for _, c := range all {
		if c.Risk && !c.concernRow.Handled {
			b.Waiting = append(b.Waiting, c.concernRow)
		} else {
			b.Rest = append(b.Rest, c.concernRow)
		}
	}
	slices.Reverse(b.Rest)
	s.staffPage(w, http.StatusOK, "concerns.html", "For clinicians", u.Name, b)
}

type concernBody struct {
	studyPage
	concernRow
	Lines   []string // what was written or answered
	Written time.Time
	Text    bool // it is a note
}

// readConcern records who looks, and then shows what was written or answered.
func (s *server) readConcern(w http.ResponseWriter, r *http.Request, u access.Staff, study string) {
	if !readForm(w, r) {
		return
	}
	all, err := s.allConcerns(r, study)
	if err != nil {
		s.failed(w, err)
		return
	}
	i := slices.IndexFunc(all, func(c concern) bool { return c.Key == r.PostForm.Get("concern") })
	if i < 0 {
		s.noSuchStaffPage(w, r, u)
		return
	}
	c := all[i]
	var command domain.Command = domain.ReadNote{Study: study, Couple: c.couple, Role: c.Role, Occasion: c.Occasion, Prompt: c.Prompt, Instrument: c.Instrument, Item: c.Item}
	if r.PostForm.Get("do") == "handle" {
		command = domain.HandleRisk{Study: study, Couple: c.couple, Role: c.Role, Occasion: c.Occasion, Instrument: c.Instrument, Item: c.Item, Outcome: r.PostForm.Get("outcome")}
	}
	if _, err := s.Executor.Execute(r.Context(), s.staffOrders(u, domain.ActorClinician, command)[0]); err != nil {
		s.refuse(w, r, u, study, err)
		return
	}
	if r.PostForm.Get("do") == "handle" {
		http.Redirect(w, r, "/staff/"+s.studyRef(study)+"/concerns", http.StatusSeeOther)
		return
	}
	past, err := s.Executor.Past(r.Context(), study, c.couple)
	if err != nil {
		s.failed(w, err)
		return
	}
	b := concernBody{studyPage: s.ofStudyPage(r, u, study), concernRow: c.concernRow}
	if c.Risk {
		answer, _ := past.Couple.Answer(c.Role, c.Occasion, c.Instrument, c.Item)
		b.Lines = answerLines(past.Study, c.Instrument, c.Item, answer)
	} else if n, ok := past.Couple.Note(c.Role, c.Occasion, c.Prompt); ok {
		b.Lines, b.Written, b.Text = []string{n.Text}, n.WrittenAt, true
	}
	s.staffPage(w, http.StatusOK, "concern.html", "For clinicians", u.Name, b)
}

// answerLines tells an answer in words: the item, and what was answered.
func answerLines(study *domain.Study, instrument, item string, a domain.Answer) []string {
	if a.Value == nil {
		return []string{"The answer was taken back."}
	}
	value := strconv.Itoa(*a.Value)
	for ref, in := range study.Instruments {
		it, ok := in.Item(item)
		if ref.Code != instrument || !ok {
			continue
		}
		text, said := it.Text["en"], value+" on a scale from "+strconv.Itoa(it.Min)+" to "+strconv.Itoa(it.Max)
		if anchor := it.Anchors["en"][value]; anchor != "" {
			said += ": " + anchor
		}
		if text == "" {
			text = it.Tag
		}
		return []string{text, said}
	}
	return []string{item, value}
}
