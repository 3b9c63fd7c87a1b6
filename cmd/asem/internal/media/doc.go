// Package media keeps the recordings of interactions: it takes them in, encrypts them, opens them for whoever may look, and destroys them.
//
// A [Store] is a folder of encrypted files with random access. Each is an age file (chunks of 64 KiB, each authenticated) whose file key is sealed under the key of
// its video, which stands nowhere but in the log: in two parts, one sealed under each partner. [Tools] asks ffprobe what a file is and lets ffmpeg make of it
// what browsers play, with a constant frame rate and without anything that tells where it is from. A [Library] joins both with the log: uploads that can be
// resumed after either side was killed, clips for the pages, and the end of those that may not be kept.
//
// A [Clip] that judges are shown is a file of its own, cut to the frame, under a key that follows from that of its recording, so that it ends with it. It is cut when the clip or the
// recording comes, or at last when somebody wants to see it. A recording is shown only as the clip that is all of it.
//
// It decides nothing about who may look; the pages do, by the log.
package media
