package apim

// kinds lists every named model. A new model is one file and one line here.
var kinds = []Kind{
	{"growth", "dyadic growth with actor and partner predictors of level and slope", compileGrowth},
	{"residualised_change", "change from one wave to the next by own and partner's state and predictors", compileResidualisedChange},
}

// Kinds returns the named models.
func Kinds() []Kind { return kinds }

func kindNamed(name string) (Kind, bool) {
	for _, k := range kinds {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}

func kindNames() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.Name
	}
	return names
}
