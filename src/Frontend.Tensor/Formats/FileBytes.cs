using System.IO.MemoryMappedFiles;
using Microsoft.Win32.SafeHandles;
using Picograd.Algorithms;
using Picograd.Dispatch;
using Picograd.Schedules.Backend;

namespace Picograd.Formats;

/// <summary>
/// The bytes of a file, mapped into memory, so that tensors can be views of them. What writes to such a tensor changes a page of its own
/// and never the file. Every access is checked against the length.
/// </summary>
internal sealed unsafe class FileBytes : IDisposable
{
    private readonly SafeMemoryMappedViewHandle? _view;
    private readonly byte[]? _array;
    private readonly byte* _start;
    private bool _isGone;

    private FileBytes(string path, long length, SafeMemoryMappedViewHandle? view, byte[]? array, byte* start)
    {
        Path = path;
        Length = length;
        _view = view;
        _array = array;
        _start = start;
    }

    public string Path { get; }

    public long Length { get; }

    /// <exception cref="InvalidDataException">The file is empty.</exception>
    public static FileBytes Map(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        long length;
        using (var file = File.OpenRead(path))
        {
            length = file.Length;
            if (length == 0)
                throw new InvalidDataException($"{path} can't be read: it is empty.");
            using var mapped = MemoryMappedFile.CreateFromFile(
                file,
                null,
                0,
                MemoryMappedFileAccess.Read,
                HandleInheritability.None,
                leaveOpen: true
            );
            using var accessor = mapped.CreateViewAccessor(0, length, MemoryMappedFileAccess.CopyOnWrite);
            var view = accessor.SafeMemoryMappedViewHandle;
            // One reference outlives the accessor: that of this object.
            bool added = false;
            view.DangerousAddRef(ref added);
            return new FileBytes(path, length, view, null, (byte*)view.DangerousGetHandle() + accessor.PointerOffset);
        }
    }

    /// <summary>Bytes that are in memory anyway; tensors of them are copies.</summary>
    public static FileBytes Of(byte[] bytes, string path)
    {
        byte[] pinned = GC.AllocateUninitializedArray<byte>(Math.Max(1, bytes.Length), pinned: true);
        bytes.CopyTo(pinned, 0);
        fixed (byte* start = pinned)
            return new FileBytes(path, bytes.Length, null, pinned, start);
    }

    /// <summary>What is wrong with the file, and where.</summary>
    public InvalidDataException Wrong(string format, long at, string what, Exception? inner = null) =>
        new($"{Path} is no {format} file that can be read: at byte {at}, {what}.", inner);

    public bool Has(long at, long length) => at >= 0 && length >= 0 && at <= Length && length <= Length - at;

    /// <summary>Bytes where they lie; only while this object is reachable and not disposed.</summary>
    public ReadOnlySpan<byte> Span(long at, int length)
    {
        ObjectDisposedException.ThrowIf(_isGone, this);
        if (!Has(at, length))
            throw new InvalidDataException(
                $"{Path} can't be read: {length} bytes from byte {at} were asked for, but it has {Length}."
            );
        return new ReadOnlySpan<byte>(_start + at, length);
    }

    /// <summary>A stream over some of the bytes.</summary>
    public Stream Stream(long at, long length)
    {
        ObjectDisposedException.ThrowIf(_isGone, this);
        if (!Has(at, length))
            throw new InvalidDataException(
                $"{Path} can't be read: {length} bytes from byte {at} were asked for, but it has {Length}."
            );
        return new UnmanagedMemoryStream(_start + at, length);
    }

    /// <summary>A tensor of elements as they lie: of the mapped memory where that is aligned, else of a copy.</summary>
    public Tensor View(long at, ReadOnlySpan<long> shape, DType type)
    {
        ObjectDisposedException.ThrowIf(_isGone, this);
        var layout = Layout.Contiguous(shape);
        if ((Int128)layout.Count * type.Size() > Length || !Has(at, layout.Count * type.Size()))
            throw new InvalidDataException(
                $"{Path} can't be read: {layout.Count} elements of {type.Name()} from byte {at} were asked for, but it has {Length} bytes."
            );
        long bytes = layout.Count * type.Size();
        // Other bytes than 0 and 1 are no bool that kernels know.
        bool isOdd = type == DType.Bool && HasOddBools(at, bytes);
        if (!isOdd && _view is not null && bytes > 0 && ((nint)(_start + at) & (type.Size() - 1)) == 0)
            return new Tensor(
                Storage.Of(new MappedMemory(_view, (nint)(_start + at), bytes), CpuRuntime.Instance),
                layout,
                type
            );
        var copy = Tensor.Allocate(layout, type, CpuRuntime.Instance);
        System.Buffer.MemoryCopy(_start + at, (void*)copy.Address, bytes, bytes);
        for (long i = 0; isOdd && i < bytes; i++)
            ((byte*)copy.Address)[i] = (byte)(((byte*)copy.Address)[i] == 0 ? 0 : 1);
        GC.KeepAlive(this);
        return copy;
    }

    private bool HasOddBools(long at, long bytes)
    {
        const int Piece = 1 << 24;
        for (long i = 0; i < bytes; i += Piece)
        {
            if (
                new ReadOnlySpan<byte>(_start + at + i, (int)Math.Min(Piece, bytes - i)).ContainsAnyExceptInRange<byte>(
                    0,
                    1
                )
            )
                return true;
        }
        return false;
    }

    public void Dispose()
    {
        if (_isGone)
            return;
        _isGone = true;
        // Tensors that were read hold references of their own.
        _view?.DangerousRelease();
        GC.KeepAlive(_array);
        GC.SuppressFinalize(this);
    }

    ~FileBytes() => _view?.DangerousRelease();

    private sealed class MappedMemory : DeviceMemory
    {
        private readonly SafeMemoryMappedViewHandle _view;
        private readonly nint _address;
        private readonly long _length;
        private bool _isGone;

        public MappedMemory(SafeMemoryMappedViewHandle view, nint address, long length)
        {
            (_view, _address, _length) = (view, address, length);
            bool added = false;
            view.DangerousAddRef(ref added);
        }

        ~MappedMemory() => _view.DangerousRelease();

        public override nint Address => _isGone ? throw new ObjectDisposedException(nameof(Tensor)) : _address;

        public override long Length => _length;

        public override void Dispose()
        {
            if (_isGone)
                return;
            _isGone = true;
            _view.DangerousRelease();
            GC.SuppressFinalize(this);
        }
    }
}
