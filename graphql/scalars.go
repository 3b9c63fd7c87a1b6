package graphql

import (
	"math"
	"strconv"
	"time"

	gql "github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/ast"

	"asem/domain"
	"asem/projections"
)

// scalar makes a scalar from a conversion in each direction. A conversion returns nil for what it does not take.
// graphql-go's own Int and Float take "5", 5.7 and true where a whole number is expected, so they have strict twins here under the same
// names.
func scalar(name, description string, out func(any) any, in func(any) any) *gql.Scalar {
	return gql.NewScalar(gql.ScalarConfig{Name: name, Description: description, Serialize: out, ParseValue: in, ParseLiteral: func(v ast.Value) any {
		switch v := v.(type) {
		case *ast.StringValue:
			return in(v.Value)
		case *ast.IntValue:
			if x, err := strconv.ParseFloat(v.Value, 64); err == nil {
				return in(x)
			}
		case *ast.FloatValue:
			if x, err := strconv.ParseFloat(v.Value, 64); err == nil {
				return in(x)
			}
		case *ast.BooleanValue:
			return in(v.Value)
		}
		return nil
	}})
}

func sameOut(v any) any { return v }

func textIn(v any) any {
	if s, ok := v.(string); ok {
		return s
	}
	return nil
}

var (
	intType = scalar("Int", "A whole number of 32 bits.", sameOut, func(v any) any {
		if x, ok := v.(float64); ok && x == math.Trunc(x) && math.Abs(x) <= math.MaxInt32 {
			return int(x)
		}
		return nil
	})
	floatType = scalar("Float", "A finite number. What is not finite is null.", func(v any) any {
		switch x := v.(type) {
		case float64:
			return number(x)
		case *float64:
			if x != nil {
				return number(*x)
			}
		}
		return nil
	}, func(v any) any {
		if x, ok := v.(float64); ok {
			return x
		}
		return nil
	})
	positionType = scalar("Position", "A position in the log: a whole number of 64 bits, as decimal text.", func(v any) any {
		if p, ok := v.(projections.Position); ok {
			return strconv.FormatInt(int64(p), 10)
		}
		return nil
	}, func(v any) any {
		if s, ok := v.(string); ok {
			if p, err := strconv.ParseInt(s, 10, 64); err == nil && p >= 0 {
				return projections.Position(p)
			}
		}
		return nil
	})
	dateTimeType = scalar("DateTime", "An instant, as RFC 3339 text in UTC.", func(v any) any {
		if t, ok := v.(time.Time); ok && !t.IsZero() {
			return t.UTC().Format(time.RFC3339Nano)
		}
		return nil
	}, func(v any) any {
		if s, ok := v.(string); ok {
			if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
				return t
			}
		}
		return nil
	})
	dateType = scalar("Date", "A calendar day, as 2026-11-23, in the participant's own calendar.", func(v any) any {
		if d, ok := v.(domain.Date); ok && !d.IsZero() {
			return d.String()
		}
		return nil
	}, func(v any) any {
		if s, ok := v.(string); ok {
			if d, err := domain.ParseDate(s); err == nil {
				return d
			}
		}
		return nil
	})
	hashType        = scalar("Hash", "A SHA-256 sum in lower-case hexadecimal.", sameOut, textIn)
	floatSeriesType = scalar("FloatSeries", "Numbers in the order of rows, as one array. Not available is null.", func(v any) any {
		xs, ok := v.([]float64)
		if !ok {
			return nil
		}
		out := make([]any, len(xs))
		for i, x := range xs {
			out[i] = number(x)
		}
		return out
	}, func(any) any { return nil })
	dateTimeSeriesType = scalar("DateTimeSeries", "Instants in the order of rows, as one array.", func(v any) any {
		ts, ok := v.([]time.Time)
		if !ok {
			return nil
		}
		out := make([]string, len(ts))
		for i, t := range ts {
			out[i] = t.UTC().Format(time.RFC3339Nano)
		}
		return out
	}, func(any) any { return nil })
)
