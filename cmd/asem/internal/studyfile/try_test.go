package studyfile
import ("testing";"os";"fmt")
func TestTry(t *testing.T){ for _,tp:=range Templates(){ p,err:=Read(tp.Name+".yaml",tp.Text,Context{}); if err!=nil{fmt.Println(err);continue}; p.Summary(os.Stdout); for _,w:=range p.Warnings{fmt.Println(w)}; fmt.Println() } }
