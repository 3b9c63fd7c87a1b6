package graphql

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestProbe(t *testing.T) {
	s := newServer(t)
	run := func(name, token, q string, v map[string]any) {
		defer func() {
			if x := recover(); x != nil {
				fmt.Printf("%-30s PANIC %v\n", name, x)
			}
		}()
		var a, b runtime.MemStats
		runtime.ReadMemStats(&a)
		t0 := time.Now()
		done := make(chan string, 1)
		go func() {
			defer func() {
				if x := recover(); x != nil {
					done <- fmt.Sprint("PANIC ", x)
				}
			}()
			out := fmt.Sprint(s.ask(t, token, q, v))
			if len(out) > 160 {
				out = out[:160]
			}
			done <- out
		}()
		select {
		case o := <-done:
			runtime.ReadMemStats(&b)
			fmt.Printf("%-30s %8v %6d KiB %s\n", name, time.Since(t0).Round(time.Millisecond), (b.TotalAlloc-a.TotalAlloc)>>10, o)
		case <-time.After(20 * time.Second):
			fmt.Printf("%-30s HANGS\n", name)
		}
	}
	run("type without selection", "", `{__type(name:"X")}`, nil)
	run("default variable", "S", `query($n:Int=100){studies(first:$n){nodes{couples(first:$n){nodes{partners{couple{partners{couple{ratings{mean}}}}}}}}}}`, nil)
	run("many same fields inline", "S", "{"+strings.Repeat("... on Query{", 30)+strings.Repeat("__typename ", 1400)+strings.Repeat("}", 31), nil)
	run("many same fields", "S", "{"+strings.Repeat("__typename ", 1400)+"}", nil)
	run("ops", "S", "fragment F on Query{"+strings.Repeat("__typename ", 1200)+"}"+ops(450), nil)
	run("ops aliases", "S", "fragment F on Query{"+alias(600)+"}"+ops(250), nil)
	var b strings.Builder
	for i := range 150 {
		fmt.Fprintf(&b, "fragment G%d on Query{%s} ", i, strings.Repeat(fmt.Sprintf("...G%d ", (i+1)%150), 1))
	}
	many := "{"
	frs := ""
	for i := range 400 {
		many += fmt.Sprintf("...H%d ", i)
		frs += fmt.Sprintf("fragment H%d on Query{x:__typename} ", i)
	}
	run("many fragments", "S", many+"}"+frs, nil)
	// all fragments spread all
	frs, many = "", "{...K0}"
	for i := range 60 {
		frs += fmt.Sprintf("fragment K%d on Query{x:__typename ", i)
		for j := i + 1; j < 60; j++ {
			frs += fmt.Sprintf("...K%d ", j)
		}
		frs += "}"
	}
	run("triangular fragments", "S", many+frs, nil)
	run("variables", "S", "query("+vars(600)+"){__typename}", nil)
	run("var flood args", "S", `query($v:[ID!]!){nodes(ids:$v){id}}`, map[string]any{"v": strings.Repeat("x", 200000)})
	ids := make([]any, 20000)
	for i := range ids { ids[i] = 5.5 }
	run("ids floats", "S", `query($v:[ID!]!){nodes(ids:$v){id}}`, map[string]any{"v": ids})
	run("nested arrays in var", "S", `query($v:[ID!]!){nodes(ids:$v){id}}`, map[string]any{"v": nest(9000)})
	run("leaf flood", "S", "{study(code:\"S\"){couples(first:100){nodes{"+alias(1400)+"}}}}", nil)
	run("string int var", "S", `query($c:String!){study(code:$c){code}}`, map[string]any{"c": 5})
	run("bool", "S", `query($c:Boolean!){study(code:"S"){code @include(if:$c)}}`, map[string]any{"c": "false"})
	run("missing required var", "S", `query($c:String!){study(code:$c){code}}`, nil)
	run("spread hang", "", hang(26), nil)
	run("lone null default", "S", `query($c:String=null){study(code:"S"){code}}`, nil)
}
func nest(n int) any { var v any = "x"; for range n { v = []any{v} }; return v }
func ops(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " query Q%d{...F}", i)
	}
	return b.String()
}
func vars(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "$v%d:Int ", i)
	}
	return b.String()
}
func hang(n int) string {
	var b strings.Builder
	b.WriteString("{...F0}")
	for i := range n {
		fmt.Fprintf(&b, " fragment F%d on Query {...F%d ...F%d}", i, i+1, i+1)
	}
	return b.String()
}
