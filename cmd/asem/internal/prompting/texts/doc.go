// Package texts holds what letters to participants say, in every language, and makes letters of it.
//
//   - [Words]: everything in one language; a file for each
//   - [For]: the words for a participant's language
//   - [Words.Render]: a letter as plain text and HTML, with the same words in both
//
// Letters are read over shoulders and on locked screens. They name no study, no partner and no subject, and only what the person needs to go on.
package texts
