"""Tests of deinits.py: python3 scripts/lib/deinits_test.py"""

import unittest

import deinits


class DeinitsTest(unittest.TestCase):
    def released(self, text):
        return [resource for _, resource in deinits.offences(text)]

    def test_a_close_after_the_last_property_is_found_with_its_line(self):
        self.assertEqual(deinits.offences("""
final class Agent {
  private let socket: Int32
  init(at path: String) throws(Failure) {
    socket = open(path)
    guard socket >= 0 else { throw Failure("no \\(path) {") }
    guard connect(socket) == 0 else {
      close(socket)
      throw Failure("no agent")
    }
  }
  deinit { close(socket) }
}
"""), [(8, "socket")])

    def test_a_close_before_the_last_property_is_right(self):
        self.assertEqual(self.released("""
final class Agent {
  let socket: Int32
  let name: String
  init() throws {
    socket = open()
    guard connect(socket) == 0 else { close(socket); throw Failure() }
    name = "agent"
  }
  deinit { close(socket) }
}
"""), [])

    def test_a_local_copy_of_the_property_is_found(self):
        self.assertEqual(self.released("""
final class Live {
  let file: Int32
  init?() {
    let number = open()
    self.file = number
    guard publish() else { close(number); return nil }
  }
  deinit { Glibc.close(file) }
}
"""), ["file"])

    def test_a_local_descriptor_that_is_closed_before_it_is_stored_is_right(self):
        self.assertEqual(self.released("""
final class Live {
  let file: Int32
  init() throws {
    let file = open()
    guard publish(file) else { close(file); throw Failure() }
    self.file = file
  }
  deinit { close(file) }
}
"""), [])

    def test_parts_of_a_property_and_pointers_are_found(self):
        self.assertEqual(self.released("""
package actor Hub {
  let ends: (reader: Int32, writer: Int32)
  let memory: UnsafeMutableRawPointer
  var name: String?
  init() throws {
    ends = makePipe()
    memory = .allocate(byteCount: 16, alignment: 16)
    if isFull {
      close(ends.reader)
      memory.deallocate()
      throw Failure()
    }
  }
  deinit {
    close(ends.reader)
    close(ends.writer)
    memory.deallocate()
  }
}
"""), ["ends.reader", "memory"])

    def test_what_a_method_of_the_deinitializer_closes_is_found(self):
        self.assertEqual(self.released("""
final class Group {
  let folder: Int32
  init() throws {
    folder = open()
    if isLost { telpher_close(folder); throw Failure() }
  }
  func closeAll() { telpher_close(folder) }
  deinit { closeAll() }
}
"""), ["folder"])

    def test_a_catch_is_right_if_the_last_property_is_the_one_that_failed(self):
        example = """
final class Journal {
  let lock: Int32
  let memory: Memory
  init() throws {
    lock = open()
    do {
      memory = try Memory(
        lock)%s
    } catch {
      close(lock)
      throw error
    }
  }
  deinit { close(lock) }
}
"""
        self.assertEqual(self.released(example % ""), [])
        self.assertEqual(self.released(example % "\n      try memory.load()"), ["lock"])

    def test_initializers_that_call_another_one_are_searched_also_in_extensions(self):
        self.assertEqual(self.released("""
final class Place {
  let file: Int32
  init(_ file: Int32) { self.file = file }
  convenience init(path: String) throws {
    self.init(open(path))
    guard check() else { close(file); throw Failure() }
  }
  deinit { close(file) }
}
extension Place {
  convenience init() throws {
    self.init(0)
    close(file)
  }
}
"""), ["file", "file"])

    def test_a_property_that_gets_another_value_is_right(self):
        self.assertEqual(self.released("""
final class Slot {
  private var file: Int32 = -1
  init() throws {
    close(file)
    file = -1
    throw Failure()
  }
  deinit { close(file) }
}
"""), [])

    def test_types_without_deinit_and_comments_are_no_offence(self):
        self.assertEqual(self.released("""
struct Value {
  let file: Int32
  init() throws { file = open(); close(file); throw Failure() }
}
final class Other {
  let file: Int32
  init() throws {
    file = open()
    // close(file)
    print("close(file) \\(describe("close(file)"))")
  }
  deinit { close(file) }
}
"""), [])


if __name__ == "__main__":
    unittest.main()
