package main

import "asem/cmd/asem/internal/web"

// exampleQueries are what the query page offers. They run on the demo.
var exampleQueries = []web.Example{
	{Title: "What can I read?", Query: "{\n  viewer { role studies }\n  studies(first: 10) {\n    nodes { code title synthetic constructs { code title minimum maximum } waves { index label months } }\n  }\n}"},
	{Title: "Trajectories of avoidance, as columns", Query: `query ($study: String!) {
  trajectories(first: 20, input: { study: $study, constructs: ["avoidance"] }) {
    totalCount asOf
    nodes { couple role wave value }
  }
}`, Variables: `{ "study": "DEMO" }`},
	{Title: "Couples with both partners' courses", Query: `{
  study(code: "DEMO") {
    couples(first: 5) {
      totalCount
      nodes {
        code enrolledOn separatedOn
        ratings { dimension target mean judges }
        partners { label trajectory(construct: "anxiety") { wave value } }
      }
      pageInfo { hasNextPage endCursor }
    }
  }
}`},
	{Title: "Change of avoidance by coded responsiveness", Query: `{
  changeModel(input: { study: "DEMO", kind: "growth", outcome: "avoidance", predictors: ["coded_responsiveness"], pooled: true }) {
    status statusReason
    effects { predictor path on role estimate standardError degreesOfFreedom pValue lower upper }
    randomEffects { group names standardDeviations }
    residual { role standardDeviation } residualCorrelation
    logLikelihood observations couples
    synthetic asOf dataHash specHash engineVersion
  }
}`},
	{Title: "A model given by formulas", Query: `{
  changeModel(input: {
    study: "DEMO", kind: "mixed", outcome: "satisfaction",
    fixed: "0 + role + role:time + partner(coded_responsiveness)",
    random: "(0 + role | couple)", residual: { variance: "role", crossPartner: true }
  }) {
    status estimates { name estimate standardError degreesOfFreedom pValue }
  }
}`},
	{Title: "Who answered what was asked", Query: `{
  study(code: "DEMO") {
    compliance {
      waves { wave role counts { expected received onTime late missed rate } }
      diaries { day role counts { expected received } }
    }
  }
}`},
	{Title: "Real couples: Acitelli's data", Query: `{
  study(code: "ACITELLI") { title synthetic }
  changeModel(input: {
    study: "ACITELLI", kind: "mixed", outcome: "satisfaction", df: "residual",
    fixed: "0 + role + role:tension + role:partner(tension)", residual: { variance: "role", crossPartner: true }
  }) { status estimates { name estimate standardError pValue } residualCorrelation }
}`},
}
