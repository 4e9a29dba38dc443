import Glibc

/// Waits until process `pid` is idle: no signal is pending, and all its threads sleep (proc(5)). It
/// polls on a thread of its own: the threads of tasks are busy with other tests, and the process may
/// wait for an answer only so long.
///
/// - Throws: `Failed` if the process has ended.
func waitUntilIdle(_ pid: Int32) async throws {
  let isIdle = await onThread {
    var before: [String]?
    while isRunning(pid) {
      let now = waits(of: pid)
      // If a thread woke another one between the two samples, its count of waits has grown.
      if let now, now == before { return true }
      before = now
      usleep(5_000)
    }
    return false
  }
  guard isIdle else { throw Failed("process \(pid) has ended") }
}

/// How often each thread of `pid` has waited; nil if one runs or a signal is pending.
private func waits(of pid: Int32) -> [String]? {
  guard let folder = opendir("/proc/\(pid)/task") else { return [] }
  defer { closedir(folder) }
  var waits: [String] = []
  while let entry = readdir(folder) {
    let thread = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if thread.hasPrefix(".") { continue }
    guard let file = fopen("/proc/\(pid)/task/\(thread)/status", "re") else { return nil }
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 256)
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(
        decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      let value = text.drop { $0 != "\t" }.dropFirst()
      switch text.prefix(while: { $0 != ":" }) {
      case "State": if !value.hasPrefix("S") { return nil }
      case "SigPnd", "ShdPnd":
        if value.contains(where: { $0.isHexDigit && $0 != "0" }) { return nil }
      case "voluntary_ctxt_switches": waits.append("\(thread) \(value)")
      default: break
      }
    }
  }
  return waits
}
