import Glibc

/// Makes and compares files for tests.
extension Sandbox {
  /// Writes `count` pseudorandom bytes, the same in each call.
  func writeNoise(_ count: Int, to path: String) {
    var state: UInt64 = 0x9E37_79B9_7F4A_7C15
    var bytes = [UInt8](repeating: 0, count: count)
    for index in bytes.indices {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      bytes[index] = UInt8(truncatingIfNeeded: state >> 56)
    }
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    precondition(file >= 0)
    var sent = 0
    while sent < count {
      sent += bytes.withUnsafeBytes { Glibc.write(file, $0.baseAddress! + sent, count - sent) }
    }
    close(file)
  }

  /// The text of the file at `path`; nil if it does not exist.
  func text(of path: String) async throws -> String? {
    let result = try await shell("cat -- '\(path)' 2>/dev/null")
    return result.status == 0 ? result.text : nil
  }

  /// The text that `get` copies from `path`; nil if it fails.
  func got(_ path: String) async throws -> String? {
    let copy = folder + "/run/got"
    guard try await telpher("get", path, copy).status == 0 else { return nil }
    return try await text(of: copy)
  }

  /// Whether two trees or files have equal contents, links, modes and times.
  func areAlike(_ one: String, _ other: String) async throws -> Bool {
    let result = try await shell(
      """
      cd '\(folder)' && diff -r --no-dereference '\(one)' '\(other)' >&2 || exit 1
      list() { (cd "$1" && find . -printf '%P %y %#m %T@ %l\\n' | sort); }
      [ -d '\(one)' ] || exit 0
      [ "$(list '\(one)')" = "$(list '\(other)')" ]
      """)
    return result.status == 0
  }

  /// The partial files below the sandbox.
  func partials() async throws -> [String] {
    try await shell("find \"$HOME\" -name '.telpher.*.partial'").text
      .split(separator: "\n").map(String.init)
  }
}
