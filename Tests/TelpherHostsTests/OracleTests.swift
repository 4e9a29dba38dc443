import Foundation
import TelpherTestSupport
import Testing

@testable import TelpherHosts
@testable import TelpherYAML

/// Compares the module with ClusterShell's NodeSet and with PyYAML.
@Suite(
  .enabled(
    if: Oracle.program != nil, "no python3 has ClusterShell and PyYAML (pip install ClusterShell)"))
struct OracleTests {
  @Test func `Random sets have the hosts and the folded form that ClusterShell gives them`() throws
  {
    var random = SeededGenerator(seed: 2_026)
    let texts = (0..<3_000).map { _ in Self.expression(&random) }
    let answers = try Oracle.ask(
      """
      from ClusterShell.NodeSet import NodeSet
      def answer(text):
          try:
              nodes = NodeSet(text, resolver=None)
          except Exception as error:
              return None
          return [sorted(nodes), str(nodes)]
      """, texts)
    var sets = 0
    for (text, answer) in zip(texts, answers) {
      let set = try? HostSet(parsing: text)
      guard let answer = answer as? [Any], let names = answer[0] as? [String],
        let folded = answer[1] as? String
      else {
        // ClusterShell takes no operand for nothing; both refuse the rest.
        #expect(set == nil || text.contains(",!"), "\(text)")
        continue
      }
      guard let set else {
        // It takes a bound of 00 for 0.
        if text.contains("0-00") { continue }
        Issue.record("'\(text)' is a set for ClusterShell")
        continue
      }
      sets += 1
      #expect(Set(set.names.map(\.text)) == Set(names), "\(text)")
      let mine = set.isEmpty ? "" : set.folded
      // In several dimensions ClusterShell may find another form.
      if !set.names.contains(where: { Self.numbers(in: $0.text) > 1 }) {
        #expect(Self.parts(mine) == Self.parts(folded), "\(text)")
      }
      if !set.isEmpty { #expect(try HostSet(parsing: folded) == set, "\(text)") }
    }
    #expect(sets > 1_000)
  }

  @Test func `ClusterShell reads folded sets as the same hosts`() throws {
    var random = SeededGenerator(seed: 77)
    var sets: [HostSet] = []
    while sets.count < 1_000 {
      if let set = try? HostSet(parsing: Self.expression(&random)), !set.isEmpty {
        sets.append(set)
      }
    }
    let answers = try Oracle.ask(
      """
      from ClusterShell.NodeSet import NodeSet
      def answer(text): return sorted(NodeSet(text, resolver=None))
      """, sets.map(\.folded))
    for (set, answer) in zip(sets, answers) {
      #expect((answer as? [String]) == set.names.map(\.text).sorted(), "\(set.folded)")
      #expect(try HostSet(parsing: set.folded) == set)
    }
  }

  @Test func `Random documents are read as PyYAML reads them`() throws {
    var random = SeededGenerator(seed: 31)
    let values = (0..<500).map { _ in Self.value(&random, depth: 0) }
    // PyYAML writes them in several styles.
    let texts = try Oracle.ask(
      """
      import yaml
      def answer(value):
          return [yaml.dump(value, default_flow_style=style, width=1000, sort_keys=False)
                  for style in (False, None, True)]
      """, values)
    for (value, styles) in zip(values, texts) {
      for text in styles as? [String] ?? [] {
        var reader = YAMLReader(text)
        let read = try reader.document()
        #expect(Self.matches(read.value, value), "\(text)")
      }
    }
  }

  // MARK: Random texts

  private static func expression(_ random: inout SeededGenerator) -> String {
    var text = ""
    for index in 0..<Int.random(in: 1...4, using: &random) {
      if index > 0 {
        text += [",", ",", "!", "&", "^", " , "].randomElement(using: &random) ?? ","
      }
      text += operand(&random)
    }
    return text
  }

  private static func operand(_ random: inout SeededGenerator) -> String {
    let names = ["web", "a", "n-", "web.x-"]
    var text = names.randomElement(using: &random) ?? "web"
    for _ in 0..<Int.random(in: 0...2, using: &random) {
      text += Bool.random(using: &random) ? index(&random) : ranges(&random)
      text += ["", "-", "n"].randomElement(using: &random) ?? ""
      if text.last?.isNumber == true || text.last == "]" { text += "x" }
    }
    if text.hasSuffix("x"), Bool.random(using: &random) { text.removeLast() }
    return text
  }

  private static func index(_ random: inout SeededGenerator) -> String {
    let number = String(Int.random(in: 0...12, using: &random))
    return Int.random(in: 0...3, using: &random) == 0 ? "0" + number : number
  }

  private static func ranges(_ random: inout SeededGenerator) -> String {
    let parts = (0..<Int.random(in: 1...3, using: &random)).map { _ in
      let first = index(&random)
      guard Bool.random(using: &random) else { return first }
      let step =
        Int.random(in: 0...3, using: &random) == 0
        ? "/\(Int.random(in: 1...3, using: &random))" : ""
      return "\(first)-\(index(&random))\(step)"
    }
    return "[\(parts.joined(separator: ","))]"
  }

  private static func value(_ random: inout SeededGenerator, depth: Int) -> Any {
    switch Int.random(in: 0..<(depth < 4 ? 6 : 3), using: &random) {
    case 0: return NSNull()
    case 1, 2:
      let words = [
        "web[01:40].example.com", "a b", "x: y", "it's", "\"q\"", "# no", "a #b", "- a", "10.0.0.1",
        "", "~", "ä", "{{ x }}", "a\\b", "*", "&a", "! b", "one\ttab", "null", "[x]",
      ]
      return words.randomElement(using: &random) ?? ""
    case 3:
      return (0..<Int.random(in: 0...3, using: &random)).map { _ in value(&random, depth: depth + 1)
      }
    default:
      var entries: [String: Any] = [:]
      for _ in 0..<Int.random(in: 0...3, using: &random) {
        let key = ["all", "hosts", "web[1:2]", "a b", "k:v", "'q", "x y: z"]
          .randomElement(using: &random)
        entries[key ?? ""] = value(&random, depth: depth + 1)
      }
      return entries
    }
  }

  private static func matches(_ read: YAMLValue, _ value: Any) -> Bool {
    switch (read, value) {
    case (.null, is NSNull): true
    case (.scalar(let text), let value as String): text == value
    case (.null, let value as String): value.isEmpty
    case (.list(let items), let values as [Any]):
      items.count == values.count && zip(items, values).allSatisfy { matches($0.value, $1) }
    case (.mapping(let entries), let values as [String: Any]):
      entries.count == values.count
        && entries.allSatisfy { entry in
          values[entry.key].map { matches(entry.node.value, $0) } ?? false
        }
    default: false
    }
  }

  private static func numbers(in name: String) -> Int {
    name.split { !$0.isNumber }.count
  }

  /// The operands of a folded set, whose order differs.
  private static func parts(_ text: String) -> Set<String> {
    var (parts, part, depth) = (Set<String>(), "", 0)
    for character in text {
      if character == "[" { depth += 1 }
      if character == "]" { depth -= 1 }
      if character == ",", depth == 0 {
        parts.insert(part)
        part = ""
      } else {
        part.append(character)
      }
    }
    return parts.union(part.isEmpty ? [] : [part])
  }
}

/// A Python that has ClusterShell, which needs PyYAML.
enum Oracle {
  /// Its path; nil if there is none.
  static let program: String? = {
    let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
    let candidates = folders.map { "\($0)/python3" } + ["/usr/bin/python3"]
    return candidates.first { path in
      FileManager.default.isExecutableFile(atPath: path)
        && (try? run(path, "import ClusterShell, yaml"))?.status == 0
    }
  }()

  /// Defines `answer` by `code` and returns its answers to the questions.
  static func ask(_ code: String, _ questions: [Any]) throws -> [Any] {
    let file = FileManager.default.temporaryDirectory.appendingPathComponent(
      "telpher-oracle-\(UUID().uuidString)")
    try JSONSerialization.data(withJSONObject: questions).write(to: file)
    defer { try? FileManager.default.removeItem(at: file) }
    let result = try run(
      program ?? "python3",
      "import json, sys\n\(code)\nprint(json.dumps([answer(q) for q in json.load(open(sys.argv[1]))]))",
      file.path)
    guard result.status == 0,
      let answers = try JSONSerialization.jsonObject(with: result.output)
        as? [Any]
    else { throw HostsError("the oracle has failed") }
    return answers
  }

  private static func run(
    _ program: String, _ code: String, _ arguments: String...
  ) throws -> (status: Int32, output: Data) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = ["-B", "-c", code] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, output)
  }
}
