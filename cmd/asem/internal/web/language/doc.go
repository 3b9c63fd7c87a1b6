// Package language holds every text that participants read, in every language that they can choose, and writes numbers, days
// and times as each language does.
//
//   - [Language]: one language; T gives a text by its key
//   - [All], [For] and [Match]: the languages
//   - english.go, german.go, hebrew.go: the texts. A new language is one such file and one line in [All].
//
// Texts are ours, not those of questionnaires: the wording of items is data of the instruments.
package language
