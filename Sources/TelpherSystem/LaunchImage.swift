internal import CTelpherSys
internal import Glibc
internal import TelpherTransport

/// The strings of a launch as execve(2) takes them, in one piece of memory: the arguments, the
/// environment, and each file that may be the program. The child can't allocate, so the search along
/// PATH is spelled out here.
struct LaunchImage: ~Copyable {
  private let memory: UnsafeMutableRawPointer
  private let environmentStart: Int
  private let candidatesStart: Int

  /// The strings of `request`, with `mark` added to the environment.
  ///
  /// - Throws: `SpawnError` where a string can't be passed on: no arguments, a NUL byte, or a
  ///   variable's name that is empty or has a `=`.
  init(_ request: SpawnRequest, mark: String? = nil) throws(SpawnError) {
    let strings = try LaunchStrings(request, mark: mark)
    self.init(packing: [strings.arguments, strings.environment, strings.candidates])
  }

  private init(packing lists: [[String]]) {
    var slots = 0
    var bytes = 0
    for list in lists {
      slots += list.count + 1
      for string in list { bytes += string.utf8.count + 1 }
    }
    let pointerBytes = slots * MemoryLayout<UnsafeMutablePointer<CChar>?>.stride
    memory = .allocate(byteCount: pointerBytes + bytes, alignment: 16)
    environmentStart = lists[0].count + 1
    candidatesStart = environmentStart + lists[1].count + 1

    let pointers = memory.bindMemory(to: UnsafeMutablePointer<CChar>?.self, capacity: slots)
    var text = (memory + pointerBytes).bindMemory(to: CChar.self, capacity: bytes)
    var slot = 0
    for list in lists {
      for var string in list {
        let count = string.withUTF8 { utf8 in
          if let source = utf8.baseAddress {
            UnsafeMutableRawPointer(text).copyMemory(from: source, byteCount: utf8.count)
          }
          return utf8.count
        }
        text[count] = 0
        pointers[slot] = text
        slot += 1
        text += count + 1
      }
      pointers[slot] = nil
      slot += 1
    }
  }

  deinit { memory.deallocate() }

  /// The argument list, for as long as this image lives.
  var arguments: UnsafePointer<UnsafeMutablePointer<CChar>?> { list(at: 0) }
  /// The environment, for as long as this image lives.
  var environment: UnsafePointer<UnsafeMutablePointer<CChar>?> { list(at: environmentStart) }
  /// The files to try, for as long as this image lives.
  var candidates: UnsafePointer<UnsafePointer<CChar>?> {
    UnsafeRawPointer(list(at: candidatesStart)).assumingMemoryBound(to: UnsafePointer<CChar>?.self)
  }

  private func list(at start: Int) -> UnsafePointer<UnsafeMutablePointer<CChar>?> {
    UnsafePointer(memory.assumingMemoryBound(to: UnsafeMutablePointer<CChar>?.self) + start)
  }
}
