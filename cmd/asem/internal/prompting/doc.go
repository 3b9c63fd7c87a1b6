// Package prompting reminds participants of what they are asked, and closes what ended without an answer.
//
//   - [Planner]: which reminders a participant gets, and when: never at night, never outside the window, telling nothing of the partner
//   - [Scheduler]: keeps the ledger of prompts in the log, claims each before it goes out, hands it over at most once
//   - [Channel]: who delivers, [Mail] by SMTP or a [Webhook]; [Letter] is what they get
//   - [Linker]: makes links by which a participant comes in; package access has it
//   - package texts: what letters say, in every language
//
// Addresses are read from the log when a letter is written, and stand in no log file, metric or error. What a server says is told by its
// code alone, for it may repeat the address.
//
// # Once, or not at all
//
// A reminder that is due is sent in these steps: a connection is opened; prompt.sent is recorded, which only one of all who try can do; the couple is
// read again and the letter is not sent if the person has answered, withdrawn, separated or been erased; the letter is handed over; what became of it is recorded.
// As long as the dot that ends a message has not been sent, or where the server answers it with a code of 4xx, it was certainly not taken, and is
// handed over again for a quarter of an hour. If the connection breaks between the dot and the answer, or the program ends anywhere after the
// claim, nobody knows whether it was taken: the ledger says so, and it is never sent again.
//
// The scheduler does not hurry after an outage: what is more than an hour late, or past the evening, is overdue and not sent.
package prompting
