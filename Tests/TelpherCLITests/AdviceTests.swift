import Glibc
import Testing

/// Messages about common mistakes say what to do.
struct AdviceTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  @Test(arguments: [
    (["rnu", "--", "true"], "did you mean 'run'?"),
    (["classic", "run", "raw"], "(see 'telpher classic run --help')"),
    (["token", "rotate", "x"], "(see 'telpher token rotate --help')"),
    (["mkdir", "a/b"], "the folder 'a' does not exist; -p also makes missing parents"),
    (["mv", "run", "a/b"], "cannot rename to 'a/b': the folder 'a' does not exist"),
    (["rm", "a/b"], "cannot remove 'a/b': the folder 'a' does not exist"),
    (["rm", "bin"], "Directory not empty; -r removes it with everything in it"),
    (
      ["put", "here", "here", "gone"], "the folder 'gone' is not on the server; --parents makes it"
    ),
    (["get", "here", "here/x/y"], "cannot write 'here/x/y': 'here/x' is not a folder"),
    (["pick", "put", "gone"], "cannot open the folder 'gone': No such file or directory"),
    (["nosuch"], "disconnect, classic (see"),
    (["help", "nosuch"], "there is no command 'nosuch'"),
    (["help", "classic", "nosuch"], "there is no command 'nosuch'"),
    (
      ["run", "--reconnect=abc", "--", "true"], "is invalid for '--reconnect': 'abc' is not a time"
    ),
    (["run", "--nice", "-5", "--", "true"], "'--nice=-5'"),
    (["logs", "x", "--tail", "-1"], "'--tail=-1'"),
    (["serve", "--root", "gone"], "cannot serve files: cannot open the folder 'gone'"),
  ])
  func aMistakeIsAnsweredWithAdvice(_ arguments: [String], _ advice: String) async throws {
    sandbox.write("1", to: sandbox.folder + "/here")
    sandbox.write("1", to: sandbox.folder + "/bin/file")
    let quoted = arguments.map { "'\($0)'" }.joined(separator: " ")
    let ended = try await sandbox.shell("cd \"$HOME\" && telpher \(quoted)")
    #expect(ended.status != 0)
    #expect(ended.errorText.contains(advice), "\(ended.errorText)")
    #expect(ended.errorText.split(separator: "\n").count == 1)
  }

  @Test func aSocketOfAnotherUserIsNotAMissingServer() async throws {
    guard geteuid() == 0 else { return }
    let (server, addresses) = try await sandbox.serve("--listen", "unix:\(sandbox.folder)/socket")
    let ended = try await sandbox.shell(
      """
      chmod 755 "$HOME"
      exec setpriv --reuid 65534 --regid 65534 --clear-groups telpher ping --on \(addresses[0])
      """)
    #expect(
      ended.errorText.contains(
        "permission denied; the socket belongs to user 0, and only that user and root can use it"),
      "\(ended.errorText)")
    withExtendedLifetime(server) {}
  }

  @Test func aServerWithoutCommandsWaitsForNothing() async throws {
    let (server, _) = try await sandbox.serve()
    server.signal(SIGTERM)
    let ended = await server.finish()
    #expect(ended.status == 0)
    #expect(ended.errorText.contains("ending: nothing new is accepted\n"))
  }
}
