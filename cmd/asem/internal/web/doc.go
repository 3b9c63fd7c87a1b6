// Package web is the pages: server-rendered HTML with a little script of our own, embedded in the binary. Every page works
// under a strict content security policy and says what it can without script.
//
//   - [New] and [Config]: all routes and their headers
//   - home.go, query.go: a page a file, with its template in pages/ and its script and style in assets/
package web
