internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// The strings of a launch in the form that execve(2) takes, in one piece of memory: the arguments,
/// the environment, and each file that may be the program. The child can't allocate memory, so the
/// search along PATH is done in advance.
struct LaunchImage: ~Copyable {
  private let memory: UnsafeMutableRawPointer
  private let environmentStart: Int
  private let candidatesStart: Int
  private let scriptStart: Int

  /// Packs the strings of `request`, with `mark` added to the environment.
  ///
  /// - Throws: `SpawnError` if a string can't be passed on: there are no arguments, a string has a
  ///   NUL byte, or a variable's name is empty or has a `=`.
  init(_ request: SpawnRequest, mark: String? = nil) throws(SpawnError) {
    let strings = try LaunchStrings(request, mark: mark)
    self.init(packing: [strings.arguments, strings.environment, strings.candidates])
  }

  private init(packing lists: [[SystemString]]) {
    // The list for a script: pointers to "/bin/sh", the script, the arguments from the second on,
    // and nil.
    let scriptSlots = lists[0].count + 2
    var slots = scriptSlots
    var bytes = Self.shell.bytes.count + 1
    for list in lists {
      slots += list.count + 1
      for string in list { bytes += string.bytes.count + 1 }
    }
    let pointerBytes = slots * MemoryLayout<UnsafeMutablePointer<CChar>?>.stride
    memory = .allocate(byteCount: pointerBytes + bytes, alignment: 16)
    environmentStart = lists[0].count + 1
    candidatesStart = environmentStart + lists[1].count + 1
    scriptStart = candidatesStart + lists[2].count + 1

    let pointers = memory.bindMemory(to: UnsafeMutablePointer<CChar>?.self, capacity: slots)
    var text = (memory + pointerBytes).bindMemory(to: CChar.self, capacity: bytes)
    var slot = 0
    func put(_ string: SystemString) {
      let count = string.bytes.count
      string.bytes.withUnsafeBytes { bytes in
        if let source = bytes.baseAddress {
          UnsafeMutableRawPointer(text).copyMemory(from: source, byteCount: count)
        }
      }
      text[count] = 0
      pointers[slot] = text
      slot += 1
      text += count + 1
    }
    for list in lists {
      for string in list { put(string) }
      pointers[slot] = nil
      slot += 1
    }
    put(Self.shell)
    pointers[slot] = nil
    // The arguments from the second on, and the nil that ends their list.
    for index in 1...lists[0].count { pointers[slot + index] = pointers[index] }
  }

  /// The shell that runs a script without `#!`: execvp(3).
  private static let shell: SystemString = "/bin/sh"

  deinit { memory.deallocate() }

  /// The argument list. Valid while this image lives.
  var arguments: UnsafePointer<UnsafeMutablePointer<CChar>?> { list(at: 0) }
  /// The environment. Valid while this image lives.
  var environment: UnsafePointer<UnsafeMutablePointer<CChar>?> { list(at: environmentStart) }
  /// The files to try. Valid while this image lives.
  var candidates: UnsafePointer<UnsafePointer<CChar>?> {
    UnsafeRawPointer(list(at: candidatesStart)).assumingMemoryBound(to: UnsafePointer<CChar>?.self)
  }

  /// The arguments of the shell that runs a script without `#!`. Valid while this image lives. The
  /// child sets the second one.
  var scriptArguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> {
    UnsafeMutablePointer(mutating: list(at: scriptStart))
  }

  private func list(at start: Int) -> UnsafePointer<UnsafeMutablePointer<CChar>?> {
    UnsafePointer(memory.assumingMemoryBound(to: UnsafeMutablePointer<CChar>?.self) + start)
  }
}
