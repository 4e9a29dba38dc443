import TelpherKeys
import TelpherText
import TelpherWire
import Testing

@testable import TelpherServer

/// What a key's line in authorized_keys allows, by the requests that a client can send.
struct RightsTests {
  private let key = SSHPublicKey(ed25519: [UInt8](repeating: 1, count: 32))!

  /// The rights of a line with these options.
  private func rights(_ options: String) throws -> Rights {
    let keys = AuthorizedKeys(Array("\(options) \(key)\n".utf8))
    guard case .accepted(let entry) = keys.verdict(on: key, nil, from: "::1", at: 0) else {
      Issue.record("the line is refused: \(keys.refusals)")
      return .all
    }
    return Rights(entry.options)
  }

  private func request(_ json: String) throws -> OpenRequest {
    try OpenRequest.decode(Array(json.utf8))
  }

  /// What is carried out for a request; nil if it is refused.
  private func admitted(_ options: String, _ json: String) throws -> OpenRequest? {
    let rights = try rights(options)
    return try? rights.admit(try request(json))
  }

  /// The terms of a job that a key with these options has started.
  private func terms(_ options: String, _ json: String) throws -> JobTerms {
    let authority = Authority(
      client: Client(identity: .key(key.fingerprint), rights: try rights(options)), policy: nil)
    guard case .run(let run) = try authority.grant(try request(json)).request else {
      throw RightsError.noTerms
    }
    return try #require(run.terms)
  }

  private enum RightsError: Error { case noTerms }

  @Test func `A key whose line was made stricter sends no input to what it has started before`()
    throws
  {
    let id = String(repeating: "a", count: 32)
    let plain = try terms("pty", #"{"op":"run","argv":["sh"],"job":"\#(id)"}"#)
    let terminal = try terms(
      "pty", #"{"op":"run","login":true,"job":"\#(id)","terminal":{"rows":1,"columns":1}}"#)
    let forced = try terms(#"command="one""#, #"{"op":"run","argv":["sh"],"job":"\#(id)"}"#)
    func mayType(_ options: String, _ terms: JobTerms) throws -> Bool {
      let rights = try rights(options)
      return (try? rights.checkInput(to: terms)) != nil
    }
    for terms in [plain, terminal, forced] { #expect(try mayType("pty", terms)) }
    #expect(try !mayType(#"command="one""#, plain))
    #expect(try !mayType(#"command="one""#, terminal))
    #expect(try mayType(#"command="one""#, forced))
    #expect(try !mayType(#"command="two""#, forced))
    #expect(try !mayType("no-pty", terminal))
    #expect(try mayType("no-pty", plain))
    #expect(try !rights("pty").restrictsInput && rights("restrict").restrictsInput)
  }

  /// What a client says of itself does not count.
  @Test func `A server sets the terms itself`() throws {
    let id = String(repeating: "a", count: 32)
    let terms = try terms(
      "pty",
      #"{"op":"run","argv":["sh"],"job":"\#(id)","terms":{"argv":["cat"],"terminal":false,"variables":[],"cwd":false,"clean_env":false,"limits":{}},"concurrency":{"most":9,"others":0}}"#
    )
    #expect(terms.argv == ["sh"])
  }

  private static let all = [
    #"{"op":"run","argv":["id"]}"#, #"{"op":"run","shell":"id"}"#,
    #"{"op":"run","argv":["id"],"terminal":{"rows":1,"columns":1},"must":["terminal"]}"#,
    #"{"op":"get","path":"a"}"#, #"{"op":"put","path":"a"}"#, #"{"op":"list","path":""}"#,
    #"{"op":"connect","address":"tcp:db:5432"}"#, #"{"op":"listen","address":"tcp:0.0.0.0:80"}"#,
    #"{"op":"connect","address":"unix:/a"}"#, #"{"op":"listen","address":"unix:/a"}"#,
    #"{"op":"ps"}"#, #"{"op":"kill","job":"1","signal":9}"#, #"{"op":"info"}"#,
  ]

  @Test func aKeyWithoutOptionsMayDoEverything() throws {
    for json in Self.all {
      #expect(try admitted("pty", json) == request(json))
      #expect(try Rights.all.admit(request(json)) == request(json))
    }
  }

  /// The numbers, in `all`, of what a key with these options may not do.
  @Test(arguments: [
    ("no-pty", [2]), ("restrict", [2, 6, 7, 8, 9]), ("restrict,pty", [6, 7, 8, 9]),
    ("restrict,port-forwarding", [2]), ("no-port-forwarding", [6, 7, 8, 9]),
    ("permitopen=\"db:5432\"", [8]), ("permitopen=\"db:1\"", [6, 8]),
    ("permitopen=\"*:*\"", [8]), ("permitlisten=\"80\"", [7, 9]),
    ("command=\"id\"", [3, 4, 5, 7, 9, 11]),
    ("command=\"id\",restrict", [2, 3, 4, 5, 6, 7, 8, 9, 11]),
  ])
  func whatIsNotAllowedIsRefused(_ options: String, _ refused: [Int]) throws {
    for (number, json) in Self.all.enumerated() {
      #expect(
        (try admitted(options, json) == nil) == refused.contains(number), "\(options): \(json)")
    }
  }

  @Test func permitlistenAllowsThisMachineOnly() throws {
    let options = #"permitlisten="localhost:8080",permitlisten="127.0.0.1:*""#
    for (address, isAllowed) in [
      ("tcp:localhost:8080", true), ("tcp:127.0.0.1:1", true), ("tcp:localhost:8081", false),
      ("tcp:0.0.0.0:8080", false), ("tcp:[::1]:8080", false),
    ] {
      let json = #"{"op":"listen","address":"\#(address)"}"#
      #expect((try admitted(options, json) != nil) == isAllowed, "\(address)")
    }
  }

  @Test func aForcedCommandRunsInsteadOfEveryOther() throws {
    let json = #"""
      {"op":"run","argv":["rm","-r","a b","it's"],"cwd":"/tmp","clean_env":true,"merge":true,
      "env":{"BASH_ENV":"/tmp/evil","PATH":"/tmp"},"deadline_ms":5}
      """#
    guard case .run(let run)? = try admitted(#"command="exec serve \"x\"""#, json) else {
      Issue.record("it is refused")
      return
    }
    #expect(run.argv == nil)
    #expect(run.shell == #"exec serve "x""#)
    #expect(run.login == true)
    #expect(run.cwd == nil)
    #expect(run.cleanEnv == nil)
    #expect(run.env == ["SSH_ORIGINAL_COMMAND": #"rm -r 'a b' 'it'\''s'"#])
    // What does not change the command stays.
    #expect(run.merge == true)
    #expect(run.deadlineMS == 5)
  }

  @Test func theOriginalCommandOfALineIsTheLine() throws {
    guard case .run(let line)? = try admitted(#"command="x""#, #"{"op":"run","shell":"a | b"}"#),
      case .run(let login)? = try admitted(
        #"command="x""#, #"{"op":"run","login":true,"env":{"A":"b"},"must":["login"]}"#),
      case .run(let empty)? = try admitted(#"command="x""#, #"{"op":"run","argv":["a",""]}"#)
    else {
      Issue.record("it is refused")
      return
    }
    #expect(line.env == ["SSH_ORIGINAL_COMMAND": "a | b"])
    #expect(login.env == nil)
    #expect(empty.env == ["SSH_ORIGINAL_COMMAND": "a ''"])
  }

  @Test func aForcedCommandTakesNoLimitsAndNoSignals() throws {
    let limited = #"{"op":"run","shell":"a","limits":{"cpu_s":1}}"#
    #expect(try admitted(#"command="x""#, limited) == nil)
    #expect(try rights(#"command="x""#).allowsSignals == false)
    #expect(try rights("restrict").allowsSignals)
    #expect(try admitted(#"command="x""#, #"{"op":"kill","job":"1"}"#) != nil)
  }
}
