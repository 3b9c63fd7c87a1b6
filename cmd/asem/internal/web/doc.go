// Package web is the pages: server-rendered HTML with a little script of our own, embedded in the binary. Every page works
// under a strict content security policy and says what it can without script.
//
//   - [New] and [Config]: the table of all pages and their headers
//   - policy.go: who may open a page. A new page is a line of the table with one of its policies
//   - home.go, query.go: a page a file, with its template in pages/ and its script and style in assets/
//   - journal.go: what participants' pages have in common; today.go, form.go, submit.go and the files beside them: one each, with templates in pages/journal/ and
//     scripts and styles in assets/journal/. What they read is in package language
//
// # Participants' pages
//
// They are made from what there is of the couple in the log, and show a person the own part alone. Addresses tell nothing: a form has one that is made
// from the person and the occasion under a secret, so that it is of use to nobody else, and answers cannot be sent in the place of the partner who uses the same phone.
//
// Each form works without script, as one page. With it questions come one at a time; answers are kept in the browser as they are given, encrypted under a key that the
// browser does not hand out and that signing out destroys; what is sent waits there until the server has it. The time at which something was filled
// in is that at which the server made the form plus what the browser measured since: nobody can claim an earlier one.
//
// Forms that are open, or will be within a day, are kept there as well (kept.go, kept.js), so that they can be opened without a connection. They are kept for whoever was
// signed in last, until that person signs out or leaves at once. Without a connection nobody can be asked to sign in, so such a form shows nothing that was answered in another
// opening of it, and what needs a private moment is not kept. A form counts as started when it was opened, of which the server hears with the answers.
package web
