// Package frame holds data for statistical models: columns with names, types, levels and missing
// values, and the orders that make results independent of how rows came in.
//
// [Frame] is a table, [Column] one variable of it, [ReadCSV] reads one from a file and [Frame.WriteCSV]
// writes one. [Natural] is the order of labels.
//
// The package knows nothing of models. It does not reshape or merge.
package frame
