// Package apim holds the actor-partner models that researchers ask for by name. Each is a small spec
// that is compiled to a model of an engine, here the mixed-model engine of package mixed.
//
//   - [Spec]: what to explain by what
//   - [Kinds]: the models there are, one file each
//   - [Fit] and [Result]: actor and partner effects with the model behind them
//
// In an actor-partner model a person's outcome depends on the person's own predictor, the actor effect, and on
// the partner's, the partner effect (Kenny, Kashy & Cook 2006, chapter 7).
package apim
