package texts

var german = Words{
	Tag: "de", Direction: "ltr",
	Weekdays: [7]string{"Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag"},
	Months:   [12]string{"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember"},
	Day:      "{weekday}, {day}. {month}",
	Moment:   "{date}, {time} Uhr",
	Wave: Letter{
		Subject:  "Ihr Journal",
		Greeting: "Guten Tag,",
		Before:   []string{"in Ihrem Journal gibt es neue Seiten. Sie können sie bis {until} ausfüllen, auf einmal oder nach und nach."},
		Button:   "Journal öffnen",
		After:    []string{"Sie möchten solche Nachrichten lieber nicht bekommen? Antworten Sie auf diese, oder nehmen Sie Ihre Adresse aus dem Journal. Gründe brauchen Sie nicht zu nennen."},
	},
	Diary: Letter{
		Subject:  "Ihr Journal",
		Greeting: "Guten Tag,",
		Before:   []string{"die heutige Seite Ihres Journals ist bis {until} offen. Sie braucht nur wenige Minuten."},
		Button:   "Journal öffnen",
		After:    []string{"Sie möchten solche Nachrichten lieber nicht bekommen? Antworten Sie auf diese, oder nehmen Sie Ihre Adresse aus dem Journal. Gründe brauchen Sie nicht zu nennen."},
	},
	SignIn: Letter{
		Subject:  "Ihr Link",
		Greeting: "Guten Tag,",
		Before:   []string{"hier ist der Link zum Anmelden, um den Sie gebeten haben. Er gilt einmal und in den nächsten {minutes} Minuten."},
		Button:   "Anmelden",
		After:    []string{"Sie haben nicht darum gebeten? Dann brauchen Sie nichts zu tun: Ohne diese Nachricht kann ihn niemand benutzen. Bitte geben Sie ihn nicht weiter."},
	},
	Invitation: Letter{
		Subject:  "Ihre Einladung",
		Greeting: "Guten Tag,",
		Before:   []string{"Sie sind eingeladen mitzumachen. Der Link führt zu allem, was Sie wissen sollten, bevor Sie sich entscheiden. Sie entscheiden allein, und nichts beginnt, bevor Sie zustimmen."},
		Button:   "Mehr erfahren",
		After:    []string{"Der Link ist nur für Sie. Bitte geben Sie ihn nicht weiter. Wenn Sie nicht mitmachen möchten, brauchen Sie nichts zu tun."},
	},
}
