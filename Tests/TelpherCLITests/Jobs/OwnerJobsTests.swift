import Testing

@Suite(
  "The server's owner and the durable jobs of others",
  .enabled(if: SSHTools.areInstalled, "ssh-keygen and ssh-agent are needed"),
  .timeLimit(.minutes(5)))
struct OwnerJobsTests {
  /// The id of each durable job that `ps` lists.
  private func jobs(_ listed: Finished) -> [String] {
    listed.text.split(separator: #""id":""#).dropFirst().compactMap {
      (part: Substring) -> String? in
      let id = part.prefix { $0 != "\"" }.replacing("\\/", with: "/")
      guard id.utf8.count >= 32 else { return nil }
      return String(id)
    }
  }

  @Test("ps lists them with their identities, and kill ends them; other clients see nothing")
  func jobsOfOthers() async throws {
    try await Sandbox.withKeys([("one", ""), ("two", "")]) { sandbox, address in
      func owner(_ arguments: String...) async throws -> Finished {
        let own = [arguments[0], "--on", address, "--accept-new"]
        return await (try sandbox.start(own + arguments.dropFirst())).finish()
      }
      var ids: [String] = []
      for key in ["one", "two"] {
        let started = try await sandbox.telpher(
          at: address, key: key, "run", "--detach", "--name", "same", "--", "sleep", "1000")
        #expect(started.status == 0, "\(started.errorText)")
        ids.append(String(started.text.dropLast()))
      }
      let mine = try await owner("run", "--detach", "--name", "same", "--", "sleep", "1000")
      ids.append(String(mine.text.dropLast()))

      let listed = try await owner("ps", "--json")
      let seen = jobs(listed)
      #expect(seen.count == 3, "\(listed.text) \(listed.errorText)")
      #expect(seen.first == ids[2])
      for (key, id) in zip(["one", "two"], ids) {
        #expect(seen.contains { $0.hasSuffix("/\(id)") })
        let print = try await sandbox.shell("ssh-keygen -lf \(sandbox.folder)/\(key).pub")
        let fingerprint = print.text.split(separator: " ")[1]
        #expect(
          listed.text.replacing("\\/", with: "/").contains("job 'same' of \(fingerprint)"),
          "\(listed.text)")
      }

      // Other clients neither see nor end what is not theirs.
      let ofOne = try #require(seen.first { $0.hasSuffix(ids[0]) })
      #expect(
        jobs(try await sandbox.telpher(at: address, key: "two", "ps", "--json"))
          == [ids[1]])
      let wrong = try await sandbox.telpher(at: address, key: "two", "kill", ofOne)
      #expect(wrong.status == 1)
      #expect(wrong.errorText.contains("no command with the id"))

      // A name means only the owner's job; with its identity before it, that identity's.
      #expect(try await owner("kill", "same").status == 0)
      #expect(try await owner("wait", "same").status == 143)
      #expect(try await owner("kill", ofOne).status == 0)
      #expect(try await sandbox.telpher(at: address, key: "one", "wait", ids[0]).status == 143)
      #expect(jobs(try await owner("ps", "--json")).map { $0.suffix(32) } == [ids[1][...]])
      let ofTwo = try #require(seen.first { $0.hasSuffix(ids[1]) })
      #expect(try await owner("kill", "\(ofTwo.prefix(21))same").status == 0)
      #expect(try await sandbox.telpher(at: address, key: "two", "wait", "same").status == 143)
      #expect(jobs(try await owner("ps", "--json")).isEmpty)
      let gone = try await owner("kill", "00000000000000000000/same")
      #expect(gone.status == 1)
      #expect(gone.errorText.contains("no command with the id"))
    }
  }
}
