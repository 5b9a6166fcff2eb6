using System.Collections;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Picograd;

/// <summary>
/// Everything that a training run goes on from, in one file: a tree of dictionaries, lists, numbers, strings and tensors, as torch.save
/// takes. Models, optimizers, schedulers, scalers and generators may be in it themselves; their state is saved.
/// <code>
/// Checkpoint.Save("run.ckpt", new() { ["model"] = model, ["optimizer"] = optimizer, ["rng"] = Generator.Default, ["epoch"] = 3 });
/// var rest = Checkpoint.Load("run.ckpt", new() { ["model"] = model, ["optimizer"] = optimizer, ["rng"] = Generator.Default });
/// long epoch = (long)rest["epoch"]!;
/// </code>
/// The file is a safetensors file whose metadata has the tree. It is written beside its place and moved there when it is complete.
/// </summary>
public static class Checkpoint
{
    private const string Tree = "picograd.tree";
    private const string Reference = "$tensor";
    private const string Special = "$number";

    // Of trees in trees. One that holds itself has no end.
    private const int MostLevels = 100;

    /// <summary>Saves a tree.</summary>
    /// <exception cref="ArgumentException">Something in it is none of what a tree may have; names its place.</exception>
    public static void Save(string path, OrderedDictionary<string, object?> state)
    {
        ArgumentNullException.ThrowIfNull(state);
        var tensors = new OrderedDictionary<string, Tensor>();
        var tree = Written(state, "", tensors, 0)!;
        Safetensors.Save(tensors, path, [new(Tree, tree.ToJsonString())]);
    }

    /// <summary>Reads a tree: dictionaries, lists, tensors, strings, bools, whole numbers as long and others as double.</summary>
    /// <exception cref="InvalidDataException">No checkpoint, or a damaged one.</exception>
    public static OrderedDictionary<string, object?> Load(string path)
    {
        var tensors = Safetensors.Load(path, out var metadata);
        if (!metadata.TryGetValue(Tree, out string? text))
            throw new InvalidDataException(
                $"{path} has tensors, but is no checkpoint; read it with {nameof(Safetensors)}.{nameof(Safetensors.Load)}."
            );
        try
        {
            return Read(JsonNode.Parse(text, documentOptions: new() { MaxDepth = 2 * MostLevels }), tensors)
                    as OrderedDictionary<string, object?>
                ?? throw new InvalidDataException($"{path}: its tree is no dictionary.");
        }
        catch (Exception e)
            when (e
                    is JsonException
                        or KeyNotFoundException
                        or FormatException
                        or InvalidOperationException
                        or ArgumentException
            )
        {
            throw new InvalidDataException($"{path}: its tree cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Reads a tree and gives models, optimizers and the like their state. Returns the tree.</summary>
    /// <param name="path">The file.</param>
    /// <param name="into">What takes its state over, under the names with which it was saved; others are left alone.</param>
    /// <exception cref="ArgumentException">A state that is missing or does not fit.</exception>
    /// <exception cref="InvalidDataException">No checkpoint, or a damaged one.</exception>
    public static OrderedDictionary<string, object?> Load(string path, OrderedDictionary<string, object?> into)
    {
        ArgumentNullException.ThrowIfNull(into);
        var tree = Load(path);
        foreach (var (name, part) in into)
        {
            if (!tree.ContainsKey(name))
                throw new ArgumentException(
                    $"Checkpoint.Load: {path} has no '{name}'; it has {string.Join(", ", tree.Keys)}."
                );
            Restore(part, StateTree.Dictionary(tree[name], name, path), name);
        }
        return tree;
    }

    private static void Restore(object? part, IReadOnlyDictionary<string, object?> state, string name)
    {
        switch (part)
        {
            case Module module:
                module.LoadStateDict(Tensors(state, name));
                break;
            case Optimizer optimizer:
                optimizer.LoadStateDict(state);
                break;
            case LRScheduler scheduler:
                scheduler.LoadStateDict(state);
                break;
            case GradScaler scaler:
                scaler.LoadStateDict(state);
                break;
            case Generator generator:
                long Whole(string key) =>
                    state.GetValueOrDefault(key) is long number && (key == "seed" || number >= 0)
                        ? number
                        : throw new ArgumentException(
                            $"Checkpoint.Load: '{name}.{key}' is {StateTree.Kind(state.GetValueOrDefault(key))}, but must be a whole number{(key == "seed" ? "" : " of at least 0")}."
                        );
                var (seed, position) = (Whole("seed"), Whole("position"));
                generator.ManualSeed(seed);
                generator.Position = position;
                break;
            default:
                throw new ArgumentException(
                    $"Checkpoint.Load: '{name}' is {StateTree.Kind(part)}, but only models, optimizers, schedulers, scalers and generators take state over; read others from the result."
                );
        }
    }

    /// <summary>A dictionary of a tree as a module's state.</summary>
    /// <exception cref="ArgumentException">It has something else than tensors.</exception>
    public static OrderedDictionary<string, Tensor> Tensors(object? state, string name = "state")
    {
        var tensors = new OrderedDictionary<string, Tensor>();
        foreach (var (key, value) in StateTree.Dictionary(state, name, nameof(Checkpoint)))
            tensors[key] =
                value as Tensor
                ?? throw new ArgumentException(
                    $"Checkpoint: '{name}.{key}' is {StateTree.Kind(value)}, but must be a tensor."
                );
        return tensors;
    }

    private static JsonNode? Written(object? value, string place, OrderedDictionary<string, Tensor> tensors, int level)
    {
        if (level > MostLevels)
            throw new ArgumentException(
                $"Checkpoint: '{place}' is more than {MostLevels} levels deep; does a list or dictionary hold itself?"
            );
        switch (value)
        {
            case null:
                return null;
            case Tensor tensor:
                // Slashes, since names of parameters have dots.
                string name = place;
                for (int i = 1; !tensors.TryAdd(name, tensor); i++)
                    name = $"{place}#{i}";
                return new JsonObject { [Reference] = name };
            case string text:
                return JsonValue.Create(text);
            case bool on:
                return JsonValue.Create(on);
            case int or long or short or byte or sbyte or uint or ushort:
                return JsonValue.Create(Convert.ToInt64(value, CultureInfo.InvariantCulture));
            case float or double:
                // As text with all its digits, so that 1.0 stays a float and NaN is something.
                double number = Convert.ToDouble(value, CultureInfo.InvariantCulture);
                return new JsonObject { [Special] = number.ToString("R", CultureInfo.InvariantCulture) };
            case Module module:
                return Written(module.StateDict(), place, tensors, level);
            case Optimizer optimizer:
                return Written(optimizer.StateDict(), place, tensors, level);
            case LRScheduler scheduler:
                return Written(scheduler.StateDict(), place, tensors, level);
            case GradScaler scaler:
                return Written(scaler.StateDict(), place, tensors, level);
            case Generator generator:
                return new JsonObject { ["seed"] = generator.Seed, ["position"] = generator.Position };
            case IDictionary dictionary:
                var made = new JsonObject();
                foreach (DictionaryEntry entry in dictionary)
                {
                    string key = Convert.ToString(entry.Key, CultureInfo.InvariantCulture) ?? "";
                    if (key is Reference or Special)
                        throw new ArgumentException(
                            $"Checkpoint: '{place}' has the name '{key}', which means something else."
                        );
                    made[key] = Written(entry.Value, place.Length == 0 ? key : $"{place}/{key}", tensors, level + 1);
                }
                return made;
            case IEnumerable several:
                var list = new JsonArray();
                foreach (object? part in several)
                    list.Add(Written(part, $"{place}/{list.Count}", tensors, level + 1));
                return list;
            default:
                throw new ArgumentException(
                    $"Checkpoint: '{place}' is a {value.GetType().Name}; a tree has tensors, numbers, strings, bools, lists and dictionaries of them, models, optimizers, schedulers, scalers and generators."
                );
        }
    }

    private static object? Read(JsonNode? node, OrderedDictionary<string, Tensor> tensors)
    {
        switch (node)
        {
            case null:
                return null;
            case JsonArray array:
                return array.Select(n => Read(n, tensors)).ToList();
            case JsonObject { Count: 1 } one when one[Reference] is { } name:
                return tensors[name.GetValue<string>()];
            case JsonObject { Count: 1 } one when one[Special] is { } number:
                return double.Parse(number.GetValue<string>(), CultureInfo.InvariantCulture);
            case JsonObject dictionary:
                var made = new OrderedDictionary<string, object?>();
                foreach (var (key, value) in dictionary)
                    made[key] = Read(value, tensors);
                return made;
            default:
                var element = node.GetValue<JsonElement>();
                return element.ValueKind switch
                {
                    JsonValueKind.String => element.GetString(),
                    JsonValueKind.True => true,
                    JsonValueKind.False => false,
                    _ => element.GetInt64(),
                };
        }
    }
}
