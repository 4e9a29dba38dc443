import Glibc
import Testing

/// Connections through fakes of docker, podman, kubectl and other programs, which record their
/// arguments and start the server on this machine.
struct CarrierTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  /// Adds a program that records its arguments, one a line, and runs what follows `telpher`.
  private func addCarrier(_ name: String, _ first: String = "") {
    sandbox.addProgram(
      name,
      """
      #!/bin/sh
      printf '%s\\n' "$@" >"$HOME/arguments"
      \(first)
      while [ "$1" != telpher ]; do shift; done; shift
      exec \(Sandbox.program) "$@"

      """)
  }

  private func arguments() async throws -> [String] {
    try await sandbox.shell("cat \"$HOME/arguments\"").text.split(separator: "\n").map(String.init)
  }

  private static let server = ["telpher", "serve", "--listen", "stdio"]

  @Test(arguments: [
    ("docker", "docker://web", ["exec", "-i", "web"]),
    ("docker", "docker://web/", ["exec", "-i", "web"]),
    ("docker", "docker://a b;$(touch oops)'", ["exec", "-i", "a b;$(touch oops)'"]),
    ("podman", "podman://web", ["exec", "-i", "--detach-keys=", "web"]),
    ("kubectl", "kubectl://prod/web-0", ["--namespace=prod", "exec", "-i", "web-0", "--"]),
    (
      "kubectl", "kubectl://prod/web-0/app",
      ["--namespace=prod", "exec", "-i", "web-0", "--container=app", "--"]
    ),
    (
      "kubectl", "kubectl://eu%2Fmain/prod/web-0/app",
      ["--context=eu/main", "--namespace=prod", "exec", "-i", "web-0", "--container=app", "--"]
    ),
    (
      "kubectl", "kubectl://eu/prod/web-0/",
      ["--context=eu", "--namespace=prod", "exec", "-i", "web-0", "--"]
    ),
  ])
  func theCarrierGetsItsArguments(
    _ program: String, _ address: String, _ expected: [String]
  ) async throws {
    addCarrier(program)
    let result = try await sandbox.telpher(
      "run", "--on", address, "-i", "--", "sh", "-c", "cat; exit 7", input: "x")
    #expect(result.text == "x")
    #expect(result.errorText == "")
    #expect(result.status == 7)
    #expect(try await arguments() == expected + Self.server)
  }

  @Test func execRunsAnyCommandWithoutAShell() async throws {
    addCarrier("reach")
    let address = "exec:reach 'a b' \"c'd\" e\\ f $HOME ; | * telpher serve --listen stdio"
    let result = try await sandbox.telpher("run", "--on", address, "--", "echo", "in")
    #expect(result.text == "in\n")
    #expect(result.errorText == "")
    #expect(
      try await arguments() == ["a b", "c'd", "e f", "$HOME", ";", "|", "*"] + Self.server)
  }

  @Test(arguments: [
    ("docker://", "is not of the form docker://CONTAINER"),
    ("docker://-web", "is not of the form docker://CONTAINER"),
    ("docker://web/x", "is not of the form docker://CONTAINER"),
    ("podman://--privileged", "is not of the form podman://CONTAINER"),
    ("kubectl://web", "is not of the form kubectl://[CONTEXT/]NAMESPACE/POD[/CONTAINER]"),
    ("kubectl://prod/-web", "is not of the form kubectl://"),
    ("kubectl://prod//app", "is not of the form kubectl://"),
    ("kubectl://a/b/c/d/e", "is not of the form kubectl://"),
    ("kubectl://a/b%2", "is not of the form kubectl://"),
    ("exec:", "is not of the form exec:COMMAND ..."),
    ("exec:reach 'a", "has a quote that is not closed"),
    ("ssh://-oProxyCommand=x", "is not a host for ssh"),
    ("ssh://-l@host", "is not a user for ssh"),
    ("ssh://$(touch x)", "is not a host for ssh"),
    ("ssh://a;\u{301}b", "is not a host for ssh"),
    ("ssh://a b", "is not a host for ssh"),
    ("ssh://host?jump=-x", "is not a jump for ssh"),
    ("ssh://host?proxy=x", "is not of the form ssh://[USER@]HOST[:PORT]"),
    ("ssh://me@", "is not of the form ssh://[USER@]HOST[:PORT]"),
  ])
  func anAddressThatTheCarrierCouldMisreadIsRefused(
    _ address: String, _ message: String
  ) async throws {
    for program in ["ssh", "docker", "podman", "kubectl", "reach"] { addCarrier(program) }
    let result = try await sandbox.telpher("run", "--on", address, "--", "true")
    #expect(result.status == 125)
    #expect(result.errorText.contains(message))
    #expect(access(sandbox.folder + "/arguments", F_OK) != 0)
  }

  @Test func sshGetsJumpAndIdentity() async throws {
    addCarrier("ssh")
    let result = try await sandbox.telpher(
      "run", "--on", "ssh://me@host?jump=a@gate:23,b&identity=/keys/a%20b", "--", "true")
    #expect(result.status == 0)
    #expect(
      try await arguments() == [
        "-T", "-e", "none", "-o", "ConnectTimeout=10", "-J", "a@gate:23,b", "-i", "/keys/a b", "--",
        "me@host",
      ] + Self.server)
  }

  @Test(arguments: [
    (
      "docker://web", 1,
      "docker could not start telpher in the container web (docker's exit status was 1): see its message above"
    ),
    (
      "podman://web", 125,
      "podman could not start telpher in the container web (podman's exit status was 125)"
    ),
    (
      "docker://web", 127,
      "there is no telpher in the container web (docker's exit status was 127): put the program into a folder of the PATH there, for example by docker cp \"$(command -v telpher)\" web:/usr/local/bin/; 'docker exec web telpher --version' must work"
    ),
    (
      "docker://web", 126,
      "the telpher in the container web can't be executed (docker's exit status was 126)"
    ),
    (
      "kubectl://prod/web", 1,
      "kubectl could not start telpher in the pod web in prod (kubectl's exit status was 1)"
    ),
    (
      "kubectl://prod/web", 127,
      "there is no telpher in the pod web in prod (kubectl's exit status was 127)"
    ),
    (
      "exec:docker web", 127,
      "'docker web' ended before a server answered there (docker's exit status was 127)"
    ),
    (
      "docker://web", 9,
      "docker exec in the container web ended before a server answered there (docker's exit status was 9)"
    ),
  ])
  func whyTheCarrierBroughtNoServerIsReported(
    _ address: String, _ status: Int32, _ message: String
  ) async throws {
    for program in ["docker", "podman", "kubectl"] {
      sandbox.addProgram(program, "#!/bin/sh\necho oh no >&2\nexit \(status)\n")
    }
    for command in [["run"], ["info"], ["ls"]] {
      let arguments = command + ["--on", address] + (command == ["run"] ? ["--", "true"] : [])
      let result = await (try sandbox.start(arguments)).finish()
      #expect(result.status == 125)
      #expect(result.errorText.hasPrefix("oh no\ntelpher: \(message)"))
    }
  }

  @Test func aMissingCarrierIsReported() async throws {
    let result = try await sandbox.telpher(
      "run", "--on", "kubectl://prod/web", "--", "true",
      environment: ["PATH": sandbox.folder + "/bin"])
    #expect(result.status == 125)
    #expect(result.errorText.contains("kubectl://prod/web needs the program kubectl"))
  }

  @Test func aCarrierThatDiesInTheMiddleIsALostConnection() async throws {
    addCarrier("docker")
    let child = try sandbox.start([
      "run", "--status-fd", "2", "--on", "docker://web", "--", "sh", "-c",
      "echo $PPID; exec sleep 600",
    ])
    // The carrier has become the server, which is the parent of the command.
    let carrier = try #require(await child.line().flatMap { Int32($0) })
    kill(carrier, SIGKILL)
    let result = await child.finish()
    #expect(result.status == 125)
    #expect(result.errorText.contains("\"result\":\"lost\""))
    #expect(result.errorText.contains("signal 9 ended docker"))
  }

  /// The carrier runs in its own process group, so Ctrl-C reaches the command only through the
  /// protocol.
  @Test(arguments: ["docker://web", "exec:docker telpher serve --listen stdio"])
  func controlCReachesTheCommandAndNotTheCarrier(_ address: String) async throws {
    sandbox.addProgram(
      "docker",
      """
      #!/bin/sh
      trap 'echo int >"$HOME/interrupted"; exit 1' INT
      while [ "$1" != telpher ]; do shift; done; shift
      \(Sandbox.program) "$@"

      """)
    let child = try TerminalChild(
      [
        Sandbox.program, "run", "--on", address, "--", "sh", "-c",
        "trap 'echo got; exit 9' INT; echo ready; while :; do sleep 0.01; done",
      ], environment: sandbox.environment, directory: sandbox.folder)
    #expect(await child.find("ready"))
    child.type("\u{3}")
    #expect(await child.find("got"))
    #expect(await child.finish().status == 9)
    #expect(access(sandbox.folder + "/interrupted", F_OK) != 0)
  }
}
