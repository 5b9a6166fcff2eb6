using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>All primitives by name.</summary>
public static class PrimitiveRegistry
{
    public static IReadOnlyDictionary<string, Primitive> All { get; } =
        new Primitive[]
        {
            // One a line, by name.
            new Annotate(),
            new Bind(),
            new CacheRead(),
            new CacheWrite(),
            new ComputeAt(),
            new ComputeInline(),
            new DecomposePadding(),
            new DecomposeReduction(),
            new DoubleBuffer(),
            new Fuse(),
            new FuseSiblings(),
            new OnlineSoftmax(),
            new PadEinsum(),
            new Parallel(),
            new Peel(),
            new Pipeline(),
            new PrefetchAhead(),
            new Reorder(),
            new ReverseComputeAt(),
            new ReverseComputeInline(),
            new Rfactor(),
            new SetScope(),
            new SkipZeros(),
            new Specialize(),
            new Split(),
            new StorageAlign(),
            new StoreAt(),
            new Swizzle(),
            new Tensorize(),
            new Tile(),
            new TransformLayout(),
            new UnitLoop(),
            new Unroll(),
            new Vectorize(),
        }.ToDictionary(p => p.Name);

    public static Primitive Get(string name) =>
        All.TryGetValue(name, out var primitive)
            ? primitive
            : throw new ScheduleException(
                null,
                null,
                $"unknown primitive '{name}'",
                string.Join(", ", All.Keys.Order(StringComparer.Ordinal))
            );
}
