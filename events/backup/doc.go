// Package backup copies a log to a file and back.
//
// A backup is portable: what was taken from SQLite can be restored to PostgreSQL and the other way round. It holds every record up to a position, in order,
// and for every study the signed root of its tree there; [Restore] refuses a file whose records do not make these roots. Taking one is a long read of a log that
// only grows, so it needs no pause and sees one moment.
//
// The file is compressed (zstd) and encrypted (age, https://age-encryption.org/v1) under a file key that the [seal.Master] wraps. The owners' keys are not in
// it: they lie, wrapped as in the database, in one [Keyring] beside all backups of a folder. When a person is erased the key is destroyed there too, and
// with it what every backup of the folder holds of the person.
package backup
