import { Switch } from "react-aria-components";
import { Icon } from "../look/Icon";
import { colourOf, wordFor } from "../look/modality";
import { go } from "../state/url";

/** A switch for each modality; the last one that is on cannot be switched off. */
export function ModalitySwitches({ all, off }: { all: readonly string[]; off: readonly string[] }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset would frame it
    <div className="switches" role="group" aria-label="What counts for the list">
      {all.map((name) => {
        const on = !off.includes(name);
        return (
          <Switch
            key={name}
            className="switch"
            isSelected={on}
            onChange={(selected) =>
              go({ off: selected ? off.filter((other) => other !== name) : [...off, name] })
            }
            style={{ "--colour": colourOf(name, all) } as React.CSSProperties}
          >
            <span className="switch-track" aria-hidden="true" />
            <Icon name={name} />
            {wordFor(name)}
          </Switch>
        );
      })}
    </div>
  );
}
