// Package graphql is the API for researchers and their tools: GraphQL over HTTP, guarded.
//
// Read it in this order:
//
//   - [New] and [Config]: the handler
//   - handler.go: HTTP; prescan.go, limits.go, document.go and strict.go: what is refused before anything is executed
//   - builder.go: how a field is declared, with its policy; there is no field without one
//   - study.go, couple.go, trajectory.go, changemodel.go: a concept a file
//   - schema.graphql: the schema as text, kept equal to the code by a test
//
// The package reads through package projections, each request through one view, so that an answer never mixes two
// states. It does not write.
package graphql
