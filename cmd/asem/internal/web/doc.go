// Package web is the pages: server-rendered HTML with a little script of our own, embedded in the binary. Every page works
// under a strict content security policy and says what it can without script.
//
//   - [New] and [Config]: the table of all pages and their headers
//   - policy.go: who may open a page. A new page is a line of the table with one of its policies
//   - home.go, query.go: a page a file, with its template in pages/ and its script and style in assets/
package web
