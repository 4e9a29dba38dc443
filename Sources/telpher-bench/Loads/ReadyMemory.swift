internal import Glibc

/// Memory that is there when a tmpfs asks for it.
///
/// On a virtual machine whose hypervisor takes free memory back (virtio-balloon's free page
/// reporting), the first write to a page costs several times what it costs otherwise, for whoever
/// comes to write it: 2 GiB took anything from 0.7 to 5 s, one system call at a time. It takes back
/// free blocks of 2 MiB and more. So this touches memory once and then gives it back in blocks that
/// are smaller, by keeping a page of each; the system hands out small blocks first.
final class ReadyMemory {
  /// A block, with the page of it that is kept: a quarter of what a hypervisor takes.
  private static let block = 512 << 10

  private let memory: UnsafeMutableRawPointer
  private let size: Int

  /// Makes `bytes` ready, for as long as this object lives.
  ///
  /// - Throws: `Failure` where there is not so much memory.
  init(_ bytes: Int) throws(Failure) {
    size = (bytes + Self.block - 1) / Self.block * Self.block
    try Self.checkAvailable(size)
    let page = sysconf(Int32(_SC_PAGESIZE))
    guard
      let memory = mmap(
        nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      memory != MAP_FAILED
    else { throw Failure("cannot map \(size >> 20) MiB") }
    self.memory = memory
    // Huge pages would be kept whole for the sake of one page.
    madvise(memory, size, MADV_NOHUGEPAGE)
    for offset in stride(from: 0, to: size, by: page) {
      memory.storeBytes(of: 1, toByteOffset: offset, as: UInt8.self)
    }
    for offset in stride(from: 0, to: size, by: Self.block) {
      madvise(memory + offset + page, Self.block - page, MADV_DONTNEED)
    }
  }

  deinit {
    munmap(memory, size)
  }

  /// Makes sure that taking so much drives nobody else out.
  private static func checkAvailable(_ bytes: Int) throws(Failure) {
    // proc_meminfo(5)
    let line = readText("/proc/meminfo")?.split(separator: "\n")
      .first { $0.hasPrefix("MemAvailable:") }
    let available = line?.split(separator: " ").dropFirst().first.flatMap { Int($0) }
    guard let available, available >> 10 < bytes >> 20 else { return }
    throw Failure("\(available >> 10) MiB of memory are available, and \(bytes >> 20) are needed")
  }
}
