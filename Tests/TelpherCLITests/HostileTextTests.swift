import Glibc
import Testing

/// A server whose texts have control characters and line breaks.
struct HostileTextTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  /// A server at the default socket that answers each OPEN with its first argument.
  private static let server = #"""
    import json, os, socket, struct, sys
    bad = "evil\n\x1b[2J\x1b]0;title\x07\u009b31m\u202e"
    frame = lambda kind, stream, payload: struct.pack(">IIBBBx", len(payload), stream, kind, 0, 0) + payload
    answers = {
        "refused": lambda: frame(6, 1, json.dumps({"result": "refused", "message": bad}).encode()),
        "failed": lambda: frame(6, 1, json.dumps({"result": "failed", "message": bad, "path": bad}).encode()),
        "reset": lambda: frame(7, 1, struct.pack(">IQ", 2, 0) + bad.encode()),
        "goaway": lambda: frame(10, 0, struct.pack(">II", 0, 6) + bad.encode()),
        "not_started": lambda: frame(6, 1, json.dumps(
            {"result": "not_started", "errno": 2, "stage": "execute", "message": bad}).encode()),
        "result": lambda: frame(6, 1, json.dumps({"result": bad}).encode()),
        "info": lambda: frame(6, 1, json.dumps({"result": "ok", "info": {
            "server": bad, "protocol": 1, "pid": 1, "host": bad, "system": bad, "kill_scope": bad,
            "uptime_s": 1, "connections": 1, "running": 0, "started": 0, "limits": {bad: 1}}}).encode()),
    }
    door = socket.socket(socket.AF_UNIX)
    door.bind(os.environ["XDG_RUNTIME_DIR"] + "/telpher.sock")
    door.listen()
    print("ready", flush=True)
    while True:
        client, _ = door.accept()
        source = client.makefile("rb")
        source.read(8)
        client.sendall(b"TELPHER1" + frame(1, 0, b'{"version":1}'))
        while True:
            header = source.read(12)
            if len(header) < 12: break
            length, stream, kind = struct.unpack(">IIB", header[:9])
            source.read(length)
            if kind == 2: client.sendall(answers[sys.argv[1]]())
            if kind == 2 and sys.argv[1] == "goaway": client.shutdown(socket.SHUT_WR)
        client.close()
    """#

  private func withServer(
    _ answer: String, _ body: () async throws -> Void
  ) async throws {
    let program = sandbox.folder + "/server.py"
    sandbox.write(Self.server, to: program)
    // env(1) searches the PATH of the child's environment, as the Python that it finds does.
    let child = try Child(["env", "python3", program, answer], environment: sandbox.environment)
    #expect(await child.line() == "ready")
    try await body()
    child.signal(SIGKILL)
    _ = await child.finish()
  }

  private func expectHarmless(_ bytes: [UInt8], lines: Int) {
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.contains("evil"))
    #expect(text.split(separator: "\n").count == lines, "\(text)")
    for scalar in ["\u{1B}", "\u{7}", "\u{9B}", "\u{202E}"] as [Unicode.Scalar] {
      #expect(!text.unicodeScalars.contains(scalar))
    }
  }

  @Test(arguments: ["refused", "reset", "goaway", "not_started", "result"])
  func serverTextsAboutACommandAreEscaped(_ answer: String) async throws {
    try await withServer(answer) {
      let result = try await sandbox.telpher("run", "--", "true")
      #expect(result.status != 0)
      #expect(result.errorText.hasPrefix("telpher: "))
      expectHarmless(result.error, lines: 1)
    }
  }

  @Test func serverTextsAboutFilesAreEscaped() async throws {
    try await withServer("failed") {
      for arguments in [["stat", "f"], ["ls", "f"], ["rm", "f"]] {
        let result = await (try sandbox.start(arguments)).finish()
        #expect(result.status == 1)
        expectHarmless(result.error, lines: 1)
      }
    }
  }

  @Test func serverTextsInInfoAreEscaped() async throws {
    try await withServer("info") {
      let info = try await sandbox.telpher("info")
      expectHarmless(info.output, lines: 12)
      let json = try await sandbox.telpher("info", "--json")
      expectHarmless(json.output, lines: 1)
      #expect(json.text.contains(#"\u009b31m\u202e"#))
    }
  }
}
