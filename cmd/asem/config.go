package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// yamlConfig lets a YAML file set flags that neither the command line nor the environment sets: keys
// are the flags' names, for one command below the command's name, for all at the top.
func yamlConfig(r io.Reader) (kong.Resolver, error) {
	text, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		return nil, fmt.Errorf("configuration: %s", yaml.FormatError(err, false, false))
	}
	return kong.ResolverFunc(func(_ *kong.Context, parent *kong.Path, flag *kong.Flag) (any, error) {
		for _, name := range flag.Envs {
			if _, set := os.LookupEnv(name); set { // the environment goes before the file
				return nil, nil
			}
		}
		if parent.Command != nil {
			if below, ok := values[parent.Command.Name].(map[string]any); ok {
				if v, ok := below[flag.Name]; ok {
					return asText(v), nil
				}
			}
		}
		if v, ok := values[flag.Name]; ok {
			return asText(v), nil
		}
		return nil, nil
	}), nil
}

func asText(v any) any {
	if list, ok := v.([]any); ok {
		words := make([]string, len(list))
		for i, w := range list {
			words[i] = fmt.Sprint(w)
		}
		return strings.Join(words, ",")
	}
	return fmt.Sprint(v)
}
