// Package seal keeps what is personal in the log unreadable to whoever has only the database, and erases it for good.
//
// [Log] is an event log around another. What it appends it seals under the key of its owner, a person or a couple; what it reads it
// opens. The owners' keys lie beside the events, each wrapped by a master key that does not: a [Master]. [File] keeps master keys in a file, which a
// key management service can wrap: a [KMS].
//
// To erase a person is to destroy the person's key ([Log.Erase]). Every copy of the events, in backups too, is then without meaning, and yet
// the events stand where they stood: the study's Merkle tree still proves that nothing was changed.
//
// Payload and subject of an event are sealed together with XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha) under a random nonce of 24 bytes, bound to
// all of the event that its author knew: a sealed payload that is moved to another event does not open.
package seal
