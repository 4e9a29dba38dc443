import Glibc
import Testing

struct PutGetTests {
  let sandbox: Sandbox
  init() throws { sandbox = try Sandbox() }

  /// A tree with every kind of entry.
  private func makeTree(_ name: String) async throws {
    sandbox.write("", to: sandbox.folder + "/ready")
    _ = try await sandbox.shell(
      """
      mkdir -p "$HOME/\(name)/sub/empty" && cd "$HOME/\(name)" && echo one >one && chmod 600 one
      : >nothing; ln -s one link; ln -s /nowhere out; printf x >"$(printf 'sub/n\\377\\n')"
      truncate -s 3M sub/hole; echo end >>sub/hole; touch -d 2001-02-03T04:05:06.789 one sub
      """)
    sandbox.writeNoise(300_000, to: "\(sandbox.folder)/\(name)/sub/noise")
  }

  @Test(arguments: ["", "unix", "tcp"])
  func aTreeIsCopiedToTheServerAndBack(_ transport: String) async throws {
    try await makeTree("tree")
    var (server, on): (Child?, [String]) = (nil, [])
    if !transport.isEmpty {
      let address =
        transport == "unix" ? "unix:\(sandbox.folder)/run/s.sock" : "tcp:127.0.0.1:0"
      let (child, addresses) = try await sandbox.serve("--listen", address)
      (server, on) = (child, ["--on", try #require(addresses.first)])
    }
    let tree = sandbox.folder + "/tree"
    for arguments in [
      ["put", "--quiet", "-r", tree, "copy"],
      ["get", "--quiet", "-r", "copy", sandbox.folder + "/back"],
    ] {
      let result = await (try sandbox.start(arguments + on)).finish()
      #expect(result.status == 0 && result.output.isEmpty && result.errorText.isEmpty)
    }
    #expect(try await sandbox.areAlike("tree", "copy"))
    #expect(try await sandbox.areAlike("tree", "back"))
    #expect(try await sandbox.partials() == [])
    server?.signal(SIGTERM)
    if let server { #expect(await server.finish().status == 0) }
  }

  @Test func sourcesGoIntoADestinationFolderUnderTheirNames() async throws {
    for name in ["a", "b"] { sandbox.write(name, to: sandbox.folder + "/" + name) }
    mkdir(sandbox.folder + "/into", 0o755)
    let (a, b) = (sandbox.folder + "/a", sandbox.folder + "/b")
    #expect(try await sandbox.telpher("put", a, b, "into").status == 0)
    #expect(try await sandbox.text(of: sandbox.folder + "/into/b") == "b")
    let missing = try await sandbox.telpher("put", a, b, "nowhere")
    #expect(missing.status == 1)
    #expect(
      missing.errorText
        == "telpher: the folder 'nowhere' is not on the server; --parents makes it\n")
  }

  @Test func ifExistsReplacesSkipsOrFails() async throws {
    let source = sandbox.folder + "/source"
    sandbox.write("new", to: source)
    sandbox.write("old!", to: sandbox.folder + "/there")
    let failed = try await sandbox.telpher("put", "--if-exists", "fail", source, "there")
    #expect(failed.status == 1)
    #expect(failed.errorText.contains("'there' exists already"))
    #expect(try await sandbox.telpher("put", "--if-exists", "skip", source, "there").status == 0)
    #expect(try await sandbox.text(of: sandbox.folder + "/there") == "old!")
    #expect(try await sandbox.telpher("put", source, "there").status == 0)
    #expect(try await sandbox.text(of: sandbox.folder + "/there") == "new")
  }

  @Test func unchangedFilesAreSkippedBySizeAndTimeOrByDigest() async throws {
    let source = sandbox.folder + "/source"
    sandbox.write("one", to: source)
    let deceive = "cd && printf two >copy && touch -r source copy"
    let (same, other) = (#""skipped":1"#, #""skipped":0"#)
    #expect(try await sandbox.telpher("put", source, "copy").status == 0)
    // The same size and time, but other content.
    for (flags, skipped) in [
      ([], other), (["-r"], same), (["--if-exists", "changed"], same), (["--checksum"], other),
      (["-r", "--checksum"], other), (["-r", "--if-exists", "replace"], other),
      (["--if-exists", "newer"], same),
    ] {
      for (direction, paths) in [("put", ["source", "copy"]), ("get", ["source", "copy"])] {
        _ = try await sandbox.shell(deceive)
        let local = direction == "put" ? [source, "copy"] : [paths[0], sandbox.folder + "/copy"]
        let result = await (try sandbox.start([direction, "--json"] + flags + local)).finish()
        #expect(result.status == 0 && result.text.contains(skipped), "\(direction) \(flags)")
        let text = try await sandbox.text(of: sandbox.folder + "/copy")
        #expect(text == (skipped == same ? "two" : "one"), "\(direction) \(flags)")
      }
    }
    // A file with equal content is skipped, even if the time differs.
    _ = try await sandbox.shell("cd && cp source copy && touch -d 2001-02-03 copy")
    let compared = try await sandbox.telpher("put", "--json", "--checksum", source, "copy")
    #expect(compared.text.contains(same))
    let summary = try await sandbox.telpher("put", "-r", source, "copy")
    #expect(summary.errorText.contains("; 1 skipped"))
  }

  @Test func aFailureIsReportedWithItsPathAndTheRestIsStored() async throws {
    let tree = sandbox.folder + "/tree"
    mkdir(tree, 0o755)
    for name in ["a", "z"] { sandbox.write(name, to: "\(tree)/\(name)") }
    mkfifo(tree + "/fifo", 0o600)
    let result = try await sandbox.telpher("put", "-r", tree, "copy")
    #expect(result.status == 1)
    #expect(result.errorText.contains("fifo"))
    #expect(result.errorText.split(separator: "\n").count == 2, "the failure and the summary")
    #expect(try await sandbox.text(of: sandbox.folder + "/copy/z") == "z")
    let report = try await sandbox.telpher("put", "-r", "--json", tree, "other")
    #expect(report.status == 1 && report.errorText.isEmpty)
    #expect(report.text.contains(#""result":"incomplete""#) && report.text.contains("fifo"))
  }

  @Test(arguments: [
    ["put", "/no/such/file", "x"], ["get", "no/such/file", "."], ["put", "/etc", "x"],
    ["get", "run", "."], ["get", "../x", "."], ["put", "/etc/hostname", "../x"],
    ["put", "/etc/hostname", "no/such/folder/"], ["put", "/etc/hostname", "no/such/file"],
    ["get", "/etc/hostname", "/no/such/folder/x"], ["get", "/etc/hostname/", "."],
    ["put", "/etc/hostname/", "x"],
  ])
  func aFailedTransferIs1AndPrintsOneLine(_ arguments: [String]) async throws {
    let result = await (try sandbox.start(arguments)).finish()
    #expect(result.status == 1)
    #expect(result.errorText.hasPrefix("telpher: "))
    #expect(result.errorText.split(separator: "\n").count == 1)
  }

  @Test(arguments: [
    ["put"], ["put", "x"], ["get", "x"], ["put", "--digest", "crc32", "x", "y"],
    ["get", "--if-exists", "ask", "x", "y"], ["ls", "a", "b"], ["stat"], ["mkdir"], ["rm"],
    ["mv", "a"], ["put", "x:z", "host:y"], ["get", "me@host:x", "b:c"], ["rm", "a:b", "c"],
    ["pick"],
    ["pick", "put"],
    ["pick", "push", "x"],
  ])
  func wrongUseIs64(_ arguments: [String]) async throws {
    let result = await (try sandbox.start(arguments)).finish()
    #expect(result.status == 64)
    #expect(result.errorText.hasPrefix("telpher: "))
    #expect(result.errorText.split(separator: "\n").count == 1)
  }

  @Test(arguments: ["put", "get", "ls", "rm"])
  func withoutAServerTheStatusIs125(_ command: String) async throws {
    let paths = command == "put" || command == "get" ? ["/etc/hostname", "x"] : ["x"]
    let result = await (try sandbox.start([command, "--on", "unix:/no/such.sock"] + paths)).finish()
    #expect(result.status == 125)
    #expect(result.errorText.hasPrefix("telpher: connect to unix:/no/such.sock"))
  }

  @Test func aLostConnectionIs125() async throws {
    sandbox.addProgram("ssh", "#!/bin/sh\nexec true\n")
    let result = try await sandbox.telpher("put", "--on", "ssh://host", "/etc/hostname", "x")
    #expect(result.status == 125)
    let report = try await sandbox.telpher(
      "put", "--json", "--on", "ssh://host", "/etc/hostname", "x")
    #expect(report.status == 125 && report.errorText.isEmpty)
    #expect(report.text.contains(#""result":"unreachable""#))
  }

  @Test func theLastJSONRecordIsTheResult() async throws {
    let source = sandbox.folder + "/source"
    sandbox.writeNoise(2_000_000, to: source)
    let result = try await sandbox.telpher(
      "put", "--json", "--digest", "sha256", source, "copy")
    let lines = result.text.split(separator: "\n")
    #expect(result.status == 0)
    let others = lines.dropLast().filter { !$0.contains(#""event":"progress""#) }
    let sum = try await sandbox.shell("sha256sum '\(source)'").text.prefix(64)
    let digest = #""digest":"\#(sum)""#
    #expect(others.count == 1)
    for part in [
      #""event":"file""#, #""path":"copy""#, #""result":"stored""#, #""size":2000000"#, digest,
      #""algorithm":"sha256""#,
    ] {
      #expect(others.first?.contains(part) == true)
    }
    let last = try #require(lines.last)
    for part in [
      #""event":"result""#, #""result":"complete""#, #""files":1"#, #""bytes":2000000"#,
      #""failed":0"#, #""failures":[]"#, #""status":0"#, #""seconds":"#, #""changed":0"#, digest,
    ] {
      #expect(last.contains(part))
    }
  }
}
