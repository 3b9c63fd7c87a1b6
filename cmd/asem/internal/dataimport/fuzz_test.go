package dataimport

import (
	"testing"

	"asem/domain"
)

func FuzzParseMapping(f *testing.F) {
	for _, seed := range []string{wideMapping, longMapping, scoresMapping, fiveWaves, string(acitelliMapping), "", "a: &x [*x]", "measures: [{columns: '{wave}{wave}'}]", "? a\n: b", "<<: {a: b}", "study: |\n  a\n  b\n", "!!binary a: b"} {
		f.Add([]byte(seed))
	}
	data := file("couple,role,wave,love", "1,h,1,3")
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseMapping("map.yaml", text)
		if (m == nil) == (err == nil) {
			t.Fatalf("mapping %v, error %v", m, err)
		}
		if err != nil {
			messages(t, err)
			return
		}
		if b, err := Orders(m, data); (b == nil) == (err == nil) {
			t.Fatalf("batch %v, error %v", b, err)
		}
	})
}

func FuzzOrders(f *testing.F) {
	wide, err := ParseMapping("wide.yaml", []byte(wideWithoutItems))
	if err != nil {
		f.Fatal(err)
	}
	long, err := ParseMapping("long.yaml", []byte(scoresMapping))
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"couple,role,wave,love\n1,h,1,3\n1,w,2,4.5\n", "couple,love_h1,love_h2,love_w1,love_w2\n1,1,2,3,4\n", "\xEF\xBB\xBFcouple", "couple;role", "\"", "couple,role,wave,love\n1,h,1,\"3\n", "\x00", "\xFF\xFE"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, m := range []*Mapping{wide, long} {
			b, err := Orders(m, Source{Name: "data.csv", Data: data})
			switch {
			case (b == nil) == (err == nil):
				t.Fatalf("batch %v, error %v", b, err)
			case err != nil:
				messages(t, err)
			case len(commands[domain.RecordScore](b.Orders)) != b.Report().Values:
				t.Fatalf("%d values are reported", b.Report().Values)
			}
		}
	})
}

func FuzzParseInstrument(f *testing.F) {
	for _, seed := range []string{ownInstrument, "extends: csi-4@2007\nitems: {c01: {en: a}}\n", "items: [{id: [a]}]", "extends:", "itemAnchors: {c01: }"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		in, err := ParseInstrument("in.yaml", text)
		if err != nil {
			messages(t, err)
		} else if err := in.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}
