package texts

var english = Words{
	Tag: "en", Direction: "ltr",
	Weekdays: [7]string{"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"},
	Months:   [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
	Day:      "{weekday}, {day} {month}",
	Moment:   "{date}, {time}",
	Wave: Letter{
		Subject:  "Your journal",
		Greeting: "Hello,",
		Before:   []string{"There are new pages in your journal. You can fill them in until {until}, all at once or bit by bit."},
		Button:   "Open the journal",
		After:    []string{"Would you rather not get such messages? Reply to this one, or take your address out of your journal. You need give no reason."},
	},
	Diary: Letter{
		Subject:  "Your journal",
		Greeting: "Hello,",
		Before:   []string{"Today's page of your journal is open until {until}. It takes a few minutes."},
		Button:   "Open the journal",
		After:    []string{"Would you rather not get such messages? Reply to this one, or take your address out of your journal. You need give no reason."},
	},
	SignIn: Letter{
		Subject:  "Your link",
		Greeting: "Hello,",
		Before:   []string{"Here is the link to sign in that you asked for. It works once, within the next {minutes} minutes."},
		Button:   "Sign in",
		After:    []string{"You did not ask for it? Then you need do nothing: without this message nobody can use it. Please do not pass it on."},
	},
	Invitation: Letter{
		Subject:  "Your invitation",
		Greeting: "Hello,",
		Before:   []string{"You are invited to take part. The link leads to everything you should know before you decide. You decide alone, and nothing begins before you agree."},
		Button:   "Read more",
		After:    []string{"The link is for you alone. Please do not pass it on. If you do not want to take part, you need do nothing."},
	},
}
