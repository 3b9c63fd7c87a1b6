// Package access knows who may come in: staff with password and one-time password, participants with a printed code and PIN or a link
// that was sent to them. It is the study's door, not its memory: nothing that anybody answered is here, and no address or name of a
// participant. What it holds is operational state, not events, in the file access.db of the data folder or the PostgreSQL schema asem_access.
//
//   - [Store]: users, credentials and limits, on either database
//   - [Sessions]: who is signed in
//   - [Store.OpenInvitation] and [Store.BeginPairing]: who may join, with whom
//   - [Code]: the printed code of a participant
//
// Secrets are kept so that a copy of the database alone opens nothing: passwords and PINs as Argon2id (RFC 9106) of a value keyed by a secret
// that is sealed under the master key, codes and e-mail addresses as keyed hashes, links and sessions as hashes of 256 random bits.
package access
