using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Search.Measurement;

/// <summary>What the pinned policy holds kernels to: the order and the bits of its default schedule (see <see cref="Schedules.Defaults.PinnedOrder"/>).</summary>
internal sealed class PinnedBits : IDisposable
{
    private readonly ICompiledKernel _kernel;
    private readonly string _order;
    private ulong[] _bits = [];

    /// <exception cref="LoweringException">No schedule in the pinned order compiles.</exception>
    public PinnedBits(TuneTask task)
    {
        LoweringException? refusal = null;
        foreach (var schedule in task.Defaults)
        {
            try
            {
                var nest = schedule();
                _kernel = task.On.Backend.Compile(nest);
                _order = SumOrder.Of(nest);
                return;
            }
            catch (ScheduleException) { }
            catch (LoweringException e)
            {
                refusal = e;
            }
        }
        throw refusal
            ?? new LoweringException("no-schedule", $"no schedule of {task.Problem} in the pinned order compiles");
    }

    /// <summary>Keeps the bits of the outputs for the inputs that are in memory.</summary>
    public void Remember(ArgumentMemory memory) => _bits = Of(memory);

    /// <summary>Digests of the outputs for the inputs that are in memory; outputs are overwritten.</summary>
    public unsafe ulong[] Of(ArgumentMemory memory)
    {
        memory.PoisonOutputs();
        _kernel.Run(memory.Addresses, null);
        return memory.OutputDigests();
    }

    /// <summary>Whether the outputs in memory have other bits than those that are remembered.</summary>
    public bool Differs(ArgumentMemory memory) => !_bits.AsSpan().SequenceEqual(memory.OutputDigests());

    /// <summary>What is said of a nest that adds up in another order, before it runs; null for none.</summary>
    public string? OtherOrder(LoopNest nest) =>
        SumOrder.Of(nest) is var order && order != _order ? $"it adds up {order}, the pinned order is {_order}" : null;

    public void Dispose() => _kernel.Dispose();
}
