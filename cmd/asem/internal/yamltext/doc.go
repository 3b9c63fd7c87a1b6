// Package yamltext reads what people write in YAML into structs, strictly, and knows the line and column of every value, so that whoever
// checks the values later can still say where a wrong one stands.
package yamltext
