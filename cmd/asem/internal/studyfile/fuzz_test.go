package studyfile

import (
	"testing"

	"github.com/stretchr/testify/require"

	"asem/domain"
)

// Whatever is read, it is a plan that the domain takes and that prints as the same plan, or a mistake of the user's.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{small, "", "~", "study:", "a: &x [*x]", "<<: {a: b}", "waves: [{at: enrolment}]\n", "? a\n: b", "study: |\n  a\n", "!!binary a: b", "diaries: [{repeat: {times: 2}}]", "\t", "\xFF\xFE",
		"study: {code: S, title: T, zone: Etc/UTC}\nexchangeable: true\nafterSeparation: stop\nwaves: [{at: session 3, month: 1e-3}]\n"} {
		f.Add([]byte(seed))
	}
	for _, tmpl := range Templates() {
		f.Add(tmpl.Text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Read("s.yaml", text, Context{})
		if err != nil {
			messages(t, err)
			return
		}
		study := created(t, p)
		printed, err := Print(study)
		require.NoError(t, err)
		back, err := Read("s.yaml", printed, Context{})
		require.NoError(t, err)
		back.Protocol.Version = study.Protocol.Version
		require.True(t, sameProtocol(study.Protocol, back.Protocol))
		_, err = domain.Decide(domain.Past{Study: study}, domain.PublishProtocol{Study: study.Code, Protocol: study.Protocol})
		require.NoError(t, err)
	})
}
