using Picograd.Dispatch.Online;
using Picograd.Lower.Cuda;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;
using Picograd.TuneDb;

namespace Picograd.Dispatch;

/// <summary>
/// A GPU. Kernels and copies within it are started in order on one stream and not waited for; reading waits. One thread at
/// a time uses it, as with tensors in general.
/// </summary>
internal sealed unsafe class CudaRuntime : DeviceRuntime
{
    // Numbers that were passed to kernels before are found again without a copy: learning rates, constants of models.
    private const int KnownNumbers = 1024;
    private const int Slot = 64;
    private const int Slots = 1024;

    private static readonly Lock Gate = new();
    private static readonly Dictionary<int, CudaRuntime> Opened = [];

    private readonly CudaDevice _device;
    private readonly CudaBuffer _numbers;
    private readonly CudaBuffer _ring;
    private readonly Dictionary<long, nint> _known = [];
    private readonly Lock _cells = new();
    private DispatchContext? _context;
    private CudaEvent? _callBegin;
    private CudaEvent? _callEnd;
    private int _next;

    private CudaRuntime(CudaDevice device)
    {
        _device = device;
        Device = Device.Cuda(device.Ordinal);
        _numbers = device.Rent(KnownNumbers * CudaBackend.ArgumentAlignment);
        _ring = device.Rent(Slots * Slot);
    }

    public override Device Device { get; }

    public override DispatchContext Context => Volatile.Read(ref _context) ?? MakeContext();

    /// <exception cref="InvalidOperationException">There is no such GPU, or a library is missing; says what and how to get it.</exception>
    public static CudaRuntime Of(int index)
    {
        lock (Gate)
        {
            if (Opened.TryGetValue(index, out var runtime))
                return runtime;
            try
            {
                runtime = new CudaRuntime(CudaDevice.Open(index));
            }
            catch (CudaException missing)
            {
                throw new InvalidOperationException($"cuda:{index} cannot be used: {missing.Message}", missing);
            }
            Opened.Add(index, runtime);
            return runtime;
        }
    }

    /// <summary>Forgets the kernels of all GPUs, so that records tuned meanwhile are found.</summary>
    public static void RefreshAll()
    {
        lock (Gate)
        {
            foreach (var runtime in Opened.Values)
                Volatile.Write(ref runtime._context, null);
        }
    }

    public override void Use(DispatchContext context) => Volatile.Write(ref _context, context);

    public override DeviceMemory Rent(long bytes) => _device.Rent(bytes);

    public override void Write(nint to, nint from, long bytes) => _device.Write(to, (void*)from, bytes);

    public override void Read(nint from, nint to, long bytes) => _device.Read((void*)to, from, bytes);

    public override void Copy(nint from, nint to, long bytes) => _device.Copy(to, from, bytes);

    // Recorded calls are waited for, each by itself.
    public override long BeginCall()
    {
        (_callBegin ??= new CudaEvent(_device)).Record(_device.CurrentStream);
        return 0;
    }

    public override double EndCall(long began)
    {
        var end = _callEnd ??= new CudaEvent(_device);
        end.Record(_device.CurrentStream);
        end.Synchronize();
        return end.MillisecondsSince(_callBegin!);
    }

    public override nint Cells(nint cells, int bytes)
    {
        lock (_cells)
        {
            if (bytes == sizeof(long))
            {
                long value = *(long*)cells;
                if (_known.TryGetValue(value, out nint at))
                    return at;
                if (_known.Count < KnownNumbers)
                {
                    // Each at an address that kernels take as it is: between two they would get a copy at every call.
                    at = _numbers.Address + _known.Count * CudaBackend.ArgumentAlignment;
                    _device.Stage(at, (void*)cells, bytes);
                    _known.Add(value, at);
                    return at;
                }
            }
            if (bytes > Slot)
                throw new ArgumentException(
                    $"cells: {bytes} bytes were given, but at most {Slot} are passed by address."
                );
            // Kernels that read a slot come before the copy that overwrites it, on the one stream.
            nint slot = _ring.Address + _next * Slot;
            _next = (_next + 1) % Slots;
            _device.Stage(slot, (void*)cells, bytes);
            return slot;
        }
    }

    private DispatchContext MakeContext()
    {
        lock (Gate)
        {
            if (_context is { } now)
                return now;
            var made = new DispatchContext(
                OnlineTuning.OpenStore(),
                _ => new CudaBackend(_device, StoredCubins.OfUser()),
                1,
                DefaultRules.Rule,
                this
            );
            Volatile.Write(ref _context, made);
            return made;
        }
    }
}
