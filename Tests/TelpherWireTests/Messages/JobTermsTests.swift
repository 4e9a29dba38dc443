import TelpherText
import TelpherWire
import Testing

/// The terms of a command, by which a server decides who may send it input.
struct JobTermsTests {
  private func terms(
    _ argv: [ByteText]?, limits: [String: UInt64] = [:], deadlineMS: Int64? = nil
  ) -> JobTerms {
    var request = RunRequest()
    request.argv = argv
    if argv == nil { request.shell = "x" }
    var terms = JobTerms(of: request, forced: nil, surroundings: nil)
    (terms.limits, terms.deadlineMS) = (limits, deadlineMS)
    return terms
  }

  @Test func `A command is within the same one with no stricter limits`() {
    let own = terms(["a"], limits: ["open_files": 50, "nice": 5], deadlineMS: 1_000)
    #expect(own.isWithin(terms(["a"])))
    #expect(own.isWithin(terms(["a"], limits: ["open_files": 50, "nice": 5], deadlineMS: 1_000)))
    #expect(own.isWithin(terms(["a"], limits: ["open_files": 51, "nice": 4], deadlineMS: 2_000)))
    #expect(!own.isWithin(terms(["a"], limits: ["open_files": 49])))
    #expect(!own.isWithin(terms(["a"], limits: ["nice": 6])))
    #expect(!own.isWithin(terms(["a"], limits: ["file_bytes": 1_000_000])))
    #expect(!own.isWithin(terms(["a"], deadlineMS: 999)))
    #expect(!terms(["a"]).isWithin(terms(["a"], deadlineMS: 999)))
  }

  @Test func `Another command is not within it`() {
    let own = terms(["a", "b"])
    #expect(!own.isWithin(terms(["a"])))
    #expect(!own.isWithin(terms(nil)))
    #expect(!terms(nil).isWithin(own))
    for change: (inout JobTerms) -> Void in [
      { $0.usesTerminal = true }, { $0.variables = ["A"] }, { $0.choosesDirectory = true },
      { $0.startsEmpty = true }, { $0.forced = "x" }, { $0.surroundings = "x" },
    ] {
      var other = own
      change(&other)
      #expect(!own.isWithin(other))
      #expect(!other.isWithin(own))
    }
  }

  /// Words of any kind and number fit into a CLOSE, or are left out.
  @Test(arguments: [
    [UInt8](repeating: 1, count: 8_000), [UInt8](repeating: 255, count: 8_000), [255], [],
  ])
  func `Long terms are cut`(_ word: [UInt8]) throws {
    for count in [1, 400, 900, 1_200, 100_000] {
      let terms = terms(Array(repeating: ByteText(word), count: count))
      var result = CloseResult(.ok)
      result.terms = terms
      let bytes = result.encoded()
      #expect(bytes.count <= Int(WireConstants.maxCloseLength))
      #expect(try CloseResult.decode(bytes).terms == terms)
      #expect((terms.isCut == true) == (count * (word.count + 8) > JobTerms.maxLength))
      #expect(terms.isWithin(terms) == (terms.isCut != true))
    }
  }
}
