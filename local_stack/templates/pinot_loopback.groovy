// Makes Pinot's query server listen on loopback alone: 0.11.0 has no setting for it, and the port takes
// queries from anyone without a password. Run once at installation; argument: the folder for the new class.
import javassist.ClassPool
import javassist.LoaderClassPath
import javassist.expr.ExprEditor
import javassist.expr.MethodCall

def classes = new ClassPool()
classes.appendClassPath(new LoaderClassPath(this.class.classLoader))
def server = classes.get('org.apache.pinot.core.transport.QueryServer')
def replaced = 0
server.getDeclaredMethod('start').instrument(new ExprEditor() {
    void edit(MethodCall call) {
        if (call.methodName == 'bind' && call.signature.startsWith('(I)')) {
            call.replace('{ $_ = $0.bind("127.0.0.1", $1); }')
            replaced++
        }
    }
})
if (replaced != 1) throw new IllegalStateException("bind was found ${replaced} times")
server.writeFile(args[0])
